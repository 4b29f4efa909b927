// Points at everything and opens everything, as a curious visitor does.
// Returns the number of elements that no page of the studio has, and the addresses that the page leads to.
() => {
  document.querySelectorAll("details").forEach((each) => { each.open = true; });
  document.querySelectorAll("*").forEach((each) => {
    each.dispatchEvent(new MouseEvent("mouseover", { bubbles: true }));
    if (each.focus) each.focus();
  });
  const strange = "iframe, base, object, embed, img, svg[onload], [onerror], [onload], [onfocus], [onmouseover]";
  const addresses = [];
  for (const name of ["href", "src", "action"]) {
    for (const each of document.querySelectorAll(`[${name}]`)) {
      const address = each.getAttribute(name);
      if (!address.startsWith("#")) addresses.push(new URL(address, location.href).href);
    }
  }
  return [document.querySelectorAll(strange).length, addresses];
}
