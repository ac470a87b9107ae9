"""What the browser measures on an open page. Each function gives a list of texts: what is wrong.

They are evaluated by the browser's debugger, so they work under the page's own content security
policy, and where scripts are off.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.browser.chromium import axe_source

if TYPE_CHECKING:
    from playwright.sync_api import Page

_NEXT_FRAMES = """
new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))
"""
_SEE_ALL = """
async () => {
  const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  for (let top = 0; top < document.scrollingElement.scrollHeight; top += innerHeight) {
    scrollTo(0, top);
    await frame();
    await frame();
  }
  scrollTo(0, 0);
  await frame();
}
"""

MOST_FRAMES = 300
MOST_SHOWN = 12
"""Of the faults of a page, in the message of a test."""

_COLOURS = """
const parsed = (text) => {
  const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number);
  return {r, g, b, a};
};
const over = (top, below) => ({
  r: top.r * top.a + below.r * (1 - top.a),
  g: top.g * top.a + below.g * (1 - top.a),
  b: top.b * top.a + below.b * (1 - top.a),
  a: 1,
});
const luminance = ({r, g, b}) => {
  const [R, G, B] = [r, g, b].map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * R + 0.7152 * G + 0.0722 * B;
};
const behind = (element) => {
  const layers = [];
  for (let at = element; at; at = at.parentElement) {
    layers.push(parsed(getComputedStyle(at).backgroundColor));
  }
  const scheme = matchMedia('(prefers-color-scheme: dark)').matches;
  const canvas = scheme ? {r: 18, g: 18, b: 18, a: 1} : {r: 255, g: 255, b: 255, a: 1};
  return layers.reduceRight((below, top) => over(top, below), canvas);
};
const contrast = (one, other) => {
  const [high, low] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
};
"""

_PICTURES = """
const named = (svg) => {
  const title = svg.querySelector('title');
  return (title ? title.textContent : svg.getAttribute('aria-label') || 'no title').slice(0, 60);
};
const shown = (element) => {
  const box = element.getBoundingClientRect();
  const style = getComputedStyle(element);
  return box.width > 0 && box.height > 0 && style.visibility !== 'hidden'
    && style.display !== 'none';
};
const pictures = [...document.querySelectorAll('svg')].filter(shown);
const texts = (svg) => [...svg.querySelectorAll('text')].filter(
  (text) => text.textContent.trim() && shown(text)
);
"""

_AXE = """
async (only) => {
  const result = await axe.run(document, {
    resultTypes: ['violations'],
    selectors: false,
    preload: false,
    runOnly: only || ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
  });
  return result.violations.map((item) => `${item.id}: ${item.help}: ` + item.nodes.slice(0, 3)
    .map((node) => node.html.slice(0, 160)).join(' | '));
}
"""

_TEXTS_APART = (
    "() => {"
    + _PICTURES
    + """
  const wrong = [];
  for (const svg of pictures) {
    const boxes = texts(svg).map((text) => [text.textContent, text.getBoundingClientRect()]);
    boxes.forEach(([text, box], index) => {
      for (const [other, beside] of boxes.slice(index + 1)) {
        const wide = Math.min(box.right, beside.right) - Math.max(box.left, beside.left);
        const high = Math.min(box.bottom, beside.bottom) - Math.max(box.top, beside.top);
        if (wide > 1 && high > 3) wrong.push(`${named(svg)}: ${text} covers ${other}`);
      }
    });
  }
  return wrong;
}"""
)

_TEXTS_INSIDE = (
    "() => {"
    + _PICTURES
    + """
  return pictures.flatMap((svg) => {
    const frame = svg.getBoundingClientRect();
    return texts(svg).filter((text) => {
      const box = text.getBoundingClientRect();
      return box.left < frame.left - 1 || box.right > frame.right + 1
        || box.top < frame.top - 1 || box.bottom > frame.bottom + 1;
    }).map((text) => `${named(svg)}: ${text.textContent} is cut`);
  });
}"""
)

_TEXTS_LEGIBLE = (
    "() => {"
    + _PICTURES
    + _COLOURS
    + """
  return pictures.flatMap((svg) => texts(svg).flatMap((text) => {
    const style = getComputedStyle(text);
    const below = behind(svg);
    const ink = over(parsed(style.fill), below);
    const ratio = contrast(ink, below);
    const matrix = text.getScreenCTM();
    const size = parseFloat(style.fontSize) * Math.hypot(matrix.a, matrix.b);
    const wrong = [];
    if (ratio < 4.5) wrong.push(`contrast ${ratio.toFixed(2)}`);
    if (size < SMALLEST) wrong.push(`${size.toFixed(1)} px high`);
    return wrong.map((what) => `${named(svg)}: ${text.textContent.trim()}: ${what}`);
  }));
}"""
)

_PICTURES_WHOLE = (
    "() => {"
    + _PICTURES
    + """
  return [...document.querySelectorAll('svg')].flatMap((svg) => {
    if (svg.closest('defs, symbol')) return [];
    if (!shown(svg)) {
      return svg.closest('details:not([open])') ? [] : [`${named(svg)}: is not shown`];
    }
    const shapes = [...svg.querySelectorAll('path, line, polyline, polygon, rect, circle')];
    const drawn = shapes.filter((shape) => {
      const box = shape.getBoundingClientRect();
      return box.width + box.height > 0;
    });
    const wrong = [];
    const read = (svg.getAttribute('aria-labelledby') || '').split(' ').map(
      (id) => document.getElementById(id)
    );
    if (!read.length || !read.every((part) => part && part.textContent.trim())
        || !svg.querySelector('title') || !svg.querySelector('desc')) {
      wrong.push(`${named(svg)}: a screen reader has no title and description`);
    }
    if (drawn.length === 0) wrong.push(`${named(svg)}: nothing is drawn in it`);
    for (const shape of shapes) {
      for (const {name, value} of shape.attributes) {
        if (/NaN|Infinity|undefined|None|\\bnan\\b|\\binf\\b/.test(value)) {
          wrong.push(`${named(svg)}: ${shape.tagName} has ${name}=${value.slice(0, 60)}`);
        }
      }
    }
    return wrong;
  });
}"""
)

_NOTHING_BLACK = (
    "() => {"
    + _PICTURES
    + """
  return pictures.flatMap((svg) => {
    const shapes = [...svg.querySelectorAll('path, polyline, polygon, rect')];
    return shapes.filter((shape) => {
      const style = getComputedStyle(shape);
      const box = shape.getBoundingClientRect();
      return style.fill === 'rgb(0, 0, 0)' && Number(style.fillOpacity) * Number(style.opacity) > 0
        && box.width > 20 && box.height > 5;
    }).map((shape) => `${named(svg)}: black: ${shape.outerHTML.slice(0, 100)}`);
  });
}"""
)

_NO_SIDEWAYS_SCROLL = """
() => {
  const width = document.documentElement.clientWidth;
  if (document.scrollingElement.scrollWidth <= width) return [];
  const scrolls = (element) => {
    for (let at = element.parentElement; at && at !== document.body; at = at.parentElement) {
      if (getComputedStyle(at).overflowX !== 'visible') return true;
    }
    return false;
  };
  const wide = [...document.body.querySelectorAll('*')].filter(
    (element) => element.getBoundingClientRect().right > width + 1 && !scrolls(element)
  );
  return [`the page is ${document.scrollingElement.scrollWidth} px wide, the window ${width} px`]
    .concat(wide.slice(0, 5).map((element) => element.outerHTML.slice(0, 160)));
}
"""

_CELLS_FIT = """
() => [...document.querySelectorAll('td, th')].filter(
  (cell) => cell.getClientRects().length && cell.scrollWidth > cell.clientWidth + 1
).map((cell) => `overfull: ${cell.outerHTML.slice(0, 160)}`)
"""

_NOTHING_CUT = """
() => [...document.body.querySelectorAll('*')].filter((element) => {
  const style = getComputedStyle(element);
  if (!element.getClientRects().length || style.display === 'inline') return false;
  if (element.closest('svg') || element.closest('.visually-hidden')) return false;
  const wide = element.scrollWidth > element.clientWidth + 1 && style.overflowX !== 'visible';
  const high = element.scrollHeight > element.clientHeight + 1 && style.overflowY !== 'visible';
  return element.clientWidth > 1 && (wide || high);
}).map((element) => `cut: ${element.outerHTML.slice(0, 160)}`)
"""


def none(*lists: list[str]) -> None:
    """Fails with the first of the texts if there are any."""
    texts = [text for texts in lists for text in texts]
    assert not texts, "\n".join([f"{len(texts)} faults", *texts[:MOST_SHOWN]])


def accessibility(page: Page, *rules: str) -> list[str]:
    """The violations that axe-core finds: of these rules, or of all for WCAG 2.2 AA and of its
    best practices."""
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(axe_source())
    return [str(item) for item in page.evaluate(_AXE, list(rules) or None)]


def overlapping_texts(page: Page) -> list[str]:
    """Texts of a picture that cover another one."""
    return _texts(page, _TEXTS_APART)


def cut_texts(page: Page) -> list[str]:
    """Texts that go beyond the frame of their picture."""
    return _texts(page, _TEXTS_INSIDE)


def illegible_texts(page: Page, smallest: float) -> list[str]:
    """Texts of pictures with too little contrast, or lower than ``smallest`` CSS pixels."""
    return _texts(page, _TEXTS_LEGIBLE.replace("SMALLEST", f"{smallest:g}"))


def broken_pictures(page: Page) -> list[str]:
    """SVG pictures that are hidden or empty, or lack a title, a description, or real numbers."""
    return _texts(page, _PICTURES_WHOLE)


def black_shapes(page: Page) -> list[str]:
    """Areas in black, the colour of a shape that has none: without a style sheet they cover all."""
    return _texts(page, _NOTHING_BLACK)


def sideways_scroll(page: Page) -> list[str]:
    """What makes the page wider than the window."""
    return _texts(page, _NO_SIDEWAYS_SCROLL)


def overfull_cells(page: Page) -> list[str]:
    """Cells of tables whose text goes beyond them, over that of their neighbours."""
    return _texts(page, _CELLS_FIT)


def cut_elements(page: Page) -> list[str]:
    """Elements whose content is larger than they are; paper cannot be scrolled."""
    return _texts(page, _NOTHING_CUT)


@contextmanager
def all_details_open(page: Page) -> Iterator[None]:
    """Every ``details`` is open inside the block, as a person may open it."""
    page.evaluate(
        "document.querySelectorAll('details:not([open])').forEach((item) => {"
        " item.open = true; item.dataset.opened = ''; })"
    )
    try:
        yield
    finally:
        page.evaluate(
            "document.querySelectorAll('details[data-opened]').forEach((item) => {"
            " item.open = false; delete item.dataset.opened; })"
        )


def until(page: Page, expression: str) -> None:
    """Wait for the expression to be true, for so many frames at most.

    The functions of Playwright compile texts in the page, which its policy forbids.
    """
    for _ in range(MOST_FRAMES):
        if page.evaluate(expression):
            return
        page.evaluate("new Promise((done) => requestAnimationFrame(done))")
    raise AssertionError(f"never true: {expression}")


def next_frames(page: Page) -> None:
    """Wait until the page has answered to another size of its window. Only where scripts run."""
    page.evaluate(_NEXT_FRAMES)


def see_all(page: Page) -> None:
    """Scroll through the page and back to its top: plots are drawn when they come near.

    Only where scripts run: without them no frame calls back, and this never ends.
    """
    page.evaluate(_SEE_ALL)


def _texts(page: Page, script: str) -> list[str]:
    texts: Any = page.evaluate(script)
    return [str(item) for item in texts]
