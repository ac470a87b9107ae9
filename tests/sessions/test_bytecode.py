"""The modules of the package are loaded as the installer compiled them; a user's are rewritten."""

from __future__ import annotations

from tests.sessions.conftest import Sessions


def test_only_a_users_modules_are_rewritten(soak: Sessions) -> None:
    soak.pytester.makepyfile(
        test_loaders="""
        import sys

        def test_check(soak_iteration):
            loaders = {
                name: type(module.__spec__.loader).__name__
                for name, module in sys.modules.items()
                if name.startswith("pytest_soak.") and module.__spec__ is not None
            }
            rewritten = {name for name, kind in loaders.items() if "Rewriting" in kind}
            assert "pytest_soak.session.controller" in loaders
            early = {"pytest_soak.plugin", "pytest_soak.bytecode", "pytest_soak.options"}
            assert rewritten <= early
            assert "Rewriting" in type(sys.modules[__name__].__spec__.loader).__name__
        """
    )
    result = soak("--soak-iterations=1", "--soak-mock", subprocess=True)
    assert result.code == 0, result.out
