// What a test asks of a page from within: run there, not here.

/** Whether a script that nobody wrote into the page has run. */
function wasHit() {
  return "hit" in globalThis;
}

/** Fields and buttons without a name for those who do not see them. */
function nameless() {
  return [...document.querySelectorAll("input, select, textarea, button")]
    .filter((field) => {
      const labels =
        field instanceof HTMLInputElement ||
        field instanceof HTMLTextAreaElement ||
        field instanceof HTMLSelectElement
          ? field.labels
          : null;
      return !labels?.length && !field.getAttribute("aria-label") && !field.textContent?.trim();
    })
    .map((field) => field.outerHTML);
}

/** @param {string} color as getComputedStyle gives it */
function channels(color) {
  return (color.match(/[\d.]+/g) ?? []).map(Number);
}

/** @param {string} color WCAG 2's relative luminance */
function luminance(color) {
  const [r = 0, g = 0, b = 0] = channels(color).map((value) => {
    const c = value / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** Visible texts whose contrast with what is behind them is under WCAG's 4.5 (AA). */
function faintTexts() {
  const faint = [];
  for (const element of document.body.querySelectorAll("*")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent?.trim());
    if (!own || element.closest(":disabled, noscript") || !element.checkVisibility()) continue;
    /** @type {Element | null} */
    let behind = element;
    while (behind !== null && (channels(getComputedStyle(behind).backgroundColor)[3] ?? 1) === 0) {
      behind = behind.parentElement;
    }
    const inks = [getComputedStyle(element).color, getComputedStyle(behind ?? document.body).backgroundColor];
    const [light = 0, dark = 0] = inks.map(luminance).sort((a, b) => b - a);
    const contrast = (light + 0.05) / (dark + 0.05);
    if (contrast < 4.5) faint.push(`${element.outerHTML.slice(0, 80)}: ${contrast.toFixed(2)}`);
  }
  return faint;
}

/** Breaks the policy of the page twice: by a script and by a style, both inline. */
function goInline() {
  const script = document.createElement("script");
  script.textContent = "globalThis.hit = 1";
  document.body.append(script);
  document.body.setAttribute("style", "color: red");
}

Object.assign(globalThis, { wasHit, nameless, faintTexts, goInline });
