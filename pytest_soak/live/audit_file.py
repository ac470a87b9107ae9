class AuditFile:
    def __init__(self, path): self.path=path
    def go_to(self, p): pass
    def position_data(self): return None
    def skip(self): return 0
    def rows(self): return iter(())
