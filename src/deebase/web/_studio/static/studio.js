"use strict";
// Pages work without this script. It adds keys, copying, and filtering of names while one types.
(() => {
  const rows = () => [...document.querySelectorAll("[data-row]")].filter((row) => row.offsetParent !== null || row.tagName === "TR");
  let current = null;

  function choose(row) {
    if (current) current.classList.remove("current");
    current = row;
    if (!row) return;
    row.classList.add("current");
    row.scrollIntoView({ block: "nearest" });
    const link = row.querySelector("a");
    if (link) link.focus({ preventScroll: true });
  }

  function move(step) {
    const all = rows();
    const at = all.indexOf(current);
    choose(all[Math.max(0, Math.min(all.length - 1, at < 0 ? (step > 0 ? 0 : all.length - 1) : at + step))] || null);
  }

  function help() {
    let dialog = document.querySelector("dialog");
    if (!dialog) {
      dialog = document.createElement("dialog");
      const title = document.createElement("h1");
      title.textContent = "Keys";
      const list = document.createElement("dl");
      for (const [key, text] of [["j  k", "next row, previous row"], ["Enter", "open the row"], ["/", "search"], ["e", "edit the row"], ["n  p", "next page, previous page"], ["?", "this help"]]) {
        const term = document.createElement("dt");
        const mark = document.createElement("kbd");
        mark.textContent = key;
        term.append(mark);
        const what = document.createElement("dd");
        what.textContent = text;
        list.append(term, what);
      }
      const form = document.createElement("form");
      form.method = "dialog";
      const close = document.createElement("button");
      close.textContent = "Close";
      form.append(close);
      dialog.append(title, list, form);
      document.body.append(dialog);
    }
    dialog.showModal();
  }

  const follow = (selector) => {
    const link = document.querySelector(selector);
    if (link) link.click();
    return Boolean(link);
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog, [contenteditable]")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const search = document.querySelector("[data-search]");
    const keys = {
      j: () => move(1),
      k: () => move(-1),
      e: () => (current && current.querySelector("[data-edit]")?.click()) || follow("[data-edit]"),
      n: () => follow("[rel=next]"),
      p: () => follow("[rel=prev]"),
      "?": help,
      "/": () => search && (search.focus(), search.select()),
    };
    if (keys[event.key]) {
      event.preventDefault();
      keys[event.key]();
    }
  });

  for (const code of document.querySelectorAll("[data-copy]")) {
    const button = document.createElement("button");
    button.className = "copy";
    button.type = "button";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    });
    code.before(button);
  }

  for (const input of document.querySelectorAll("[data-filters]")) {
    input.addEventListener("input", () => {
      for (const item of document.querySelectorAll(input.dataset.filters)) {
        item.hidden = !item.dataset.name.includes(input.value.trim().toLowerCase());
      }
    });
  }

  // What an entry gets follows what one types; without the script, one chooses it.
  for (const entry of document.querySelectorAll("[data-entry]")) {
    const state = entry.querySelector("[data-state]");
    const input = entry.querySelector("input, textarea");
    if (state) input.addEventListener("input", () => { if (input.value !== "") state.value = "value"; });
  }

  for (const input of document.querySelectorAll("[data-suggest]")) {
    let last = 0;
    input.addEventListener("input", async () => {
      const asked = ++last;
      const response = await fetch(`${input.dataset.suggest}?q=${encodeURIComponent(input.value)}`);
      if (!response.ok || asked !== last) return;
      const options = (await response.json()).map(({ value, label }) => {
        const option = document.createElement("option");
        option.value = value;
        option.label = label ? `${label} (${value})` : value;
        return option;
      });
      input.list.replaceChildren(...options);
    });
  }

  for (const select of document.querySelectorAll("[data-submits]")) {
    select.addEventListener("change", () => select.form.requestSubmit());
  }

  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
})();
