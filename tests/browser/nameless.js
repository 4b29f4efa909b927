// Inputs, buttons, links and pictures without a name, an id that occurs twice, and headings that skip a level.
() => {
  const found = [];
  const name = (e) => (e.getAttribute('aria-label') || [...(e.labels || [])].map((l) => l.textContent).join('')
    || e.textContent || '').trim();
  for (const e of document.querySelectorAll('input:not([type=hidden]), select, textarea')) {
    if (!e.getAttribute('aria-label') && ![...e.labels].some((label) => label.textContent.trim())) found.push(e.outerHTML);
  }
  for (const e of document.querySelectorAll('a[href], button, summary, [role=region]')) if (!name(e)) found.push(e.outerHTML);
  for (const e of document.querySelectorAll('svg')) {
    if (!e.getAttribute('aria-label') && !e.querySelector('title') && !e.getAttribute('aria-hidden')) found.push('svg');
  }
  const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
  found.push(...ids.filter((id, at) => ids.indexOf(id) !== at).map((id) => `twice: ${id}`));
  if (document.querySelectorAll('h1').length !== 1) found.push('not one h1');
  let level = 0;
  for (const e of document.querySelectorAll('h1, h2, h3')) {
    if (!e.checkVisibility()) continue;
    if (+e.tagName[1] > level + 1) found.push(`${e.tagName} after H${level}: ${e.textContent}`);
    level = +e.tagName[1];
  }
  for (const wanted of ['main', 'title', 'html[lang]']) if (!document.querySelector(wanted)) found.push(`no ${wanted}`);
  return found;
}
