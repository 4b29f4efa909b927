// Texts whose contrast with what is behind them is too low (WCAG 2.2, 1.4.3): 4.5, of large texts 3.
() => {
  const parse = (text) => {
    const found = text.match(/[\d.]+/g).map(Number);
    const scale = text.startsWith('color(srgb') ? 255 : 1;
    return [found[0] * scale, found[1] * scale, found[2] * scale, found.length > 3 ? found[3] : 1];
  };
  const over = (front, back) => [0, 1, 2].map((n) => front[n] * front[3] + back[n] * (1 - front[3])).concat(1);
  const light = (color) => {
    const [r, g, b] = color.slice(0, 3).map((c) => c / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    if (!element) return [255, 255, 255, 1];
    const svg = element.closest('svg');
    if (svg && svg.contains(element) && element !== svg) {
      const shapes = [...svg.querySelectorAll('rect')].filter((shape) => {
        const a = shape.getBoundingClientRect(), b = element.getBoundingClientRect();
        return a.left <= b.left + 1 && a.right >= b.right - 1 && a.top <= b.top + 4 && a.bottom >= b.bottom - 4;
      });
      const fills = shapes.map((shape) => getComputedStyle(shape).fill)
        .filter((fill) => fill.startsWith('rgb') && parse(fill)[3] > 0);
      if (fills.length) return parse(fills.at(-1));
      return behind(svg);
    }
    const own = parse(getComputedStyle(element).backgroundColor);
    return own[3] >= 1 ? own : over(own, behind(element.parentElement));
  };
  const found = [];
  let seen = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode());) {
    const element = node.parentElement;
    if (!node.data.trim() || !element.checkVisibility() || element.closest('script, style, .hidden, .skip, title')) continue;
    const style = getComputedStyle(element);
    const back = behind(element);
    const front = over(parse(element.closest('svg') ? style.fill : style.color), back);
    const [low, high] = [light(front), light(back)].sort((a, b) => a - b);
    const ratio = (high + 0.05) / (low + 0.05);
    const size = parseFloat(style.fontSize);
    const wanted = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
    seen += 1;
    if (ratio < wanted) found.push(`${element.tagName}.${element.className.baseVal ?? element.className} ${node.data.trim().slice(0, 30)} ${ratio.toFixed(2)}`);
  }
  for (const input of document.querySelectorAll('input:not([type=hidden], [type=checkbox]), select, textarea, button')) {
    if (!input.checkVisibility()) continue;
    const style = getComputedStyle(input);
    const back = behind(input);
    const [low, high] = [light(over(parse(style.color), back)), light(back)].sort((a, b) => a - b);
    if ((high + 0.05) / (low + 0.05) < 4.5) found.push(`${input.tagName} ${input.name} ${style.color}`);
    // The border is what shows where to type (1.4.11).
    if (input.tagName === 'BUTTON') continue;
    const around = behind(input.parentElement);
    const [less, more] = [light(over(parse(style.borderTopColor), around)), light(around)].sort((a, b) => a - b);
    if ((more + 0.05) / (less + 0.05) < 3) found.push(`border of ${input.tagName} ${input.name}`);
  }
  return [seen, [...new Set(found)]];
}
