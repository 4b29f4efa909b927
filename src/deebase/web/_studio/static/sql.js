"use strict";
// Completes the names of tables and columns in the editor of SQL. The page works without it.
(() => {
  const editor = document.querySelector("textarea[data-names]");
  if (!editor) return;
  const list = document.createElement("ul");
  list.id = "names";
  list.className = "names";
  list.hidden = true;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Names");
  editor.after(list);
  editor.setAttribute("aria-controls", list.id);
  editor.setAttribute("aria-autocomplete", "list");
  let tables = {};
  let reading = null;
  let chosen = -1;

  // Whoever types faster than the names arrive waits for the same answer.
  function read() {
    reading ??= (async () => {
      const response = await fetch(editor.dataset.names, { headers: { accept: "application/json" } });
      if (response.ok) tables = (await response.json()).tables;
    })();
    return reading;
  }

  // The word before the cursor, and the name before a dot in front of it.
  function typed() {
    const found = editor.value.slice(0, editor.selectionStart).match(/(?:([\p{L}\p{N}_]+)\.)?([\p{L}\p{N}_]*)$/u);
    return { owner: found[1] || "", word: found[2] };
  }

  function owners(name) {
    if (Object.hasOwn(tables, name)) return [name];
    // An alias: FROM post AS p, JOIN post p.
    const alias = new RegExp(`([\\p{L}\\p{N}_]+)"?\\s+(?:as\\s+)?${name}\\b`, "giu");
    return [...editor.value.matchAll(alias)].map((match) => match[1]).filter((table) => Object.hasOwn(tables, table));
  }

  function candidates({ owner, word }) {
    if (!owner && word.length < 2) return [];
    const names = owner ? owners(owner).flatMap((table) => tables[table]) : [...Object.keys(tables), ...Object.values(tables).flat()];
    const start = word.toLowerCase();
    return [...new Set(names)].filter((name) => name.toLowerCase().startsWith(start) && name !== word).slice(0, 8);
  }

  function quoted(name) {
    return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
  }

  function close() {
    list.hidden = true;
    chosen = -1;
    editor.removeAttribute("aria-activedescendant");
  }

  function mark(index) {
    chosen = index;
    [...list.children].forEach((item, at) => item.setAttribute("aria-selected", String(at === index)));
    if (index >= 0) editor.setAttribute("aria-activedescendant", list.children[index].id);
  }

  function insert(name) {
    const { word } = typed();
    const end = editor.selectionStart;
    editor.setRangeText(quoted(name), end - word.length, end, "end");
    close();
    editor.focus();
  }

  function show() {
    const names = candidates(typed());
    list.replaceChildren(
      ...names.map((name, index) => {
        const item = document.createElement("li");
        item.id = `name-${index}`;
        item.setAttribute("role", "option");
        item.textContent = name;
        item.addEventListener("pointerdown", (event) => {
          event.preventDefault();
          insert(name);
        });
        return item;
      }),
    );
    list.hidden = names.length === 0;
    if (names.length) mark(0);
    else close();
  }

  editor.addEventListener("focus", read, { once: true });
  editor.addEventListener("input", async () => {
    await read();
    show();
  });
  editor.addEventListener("blur", close);
  editor.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      editor.form.requestSubmit();
      return;
    }
    if (list.hidden) return;
    const names = [...list.children].map((item) => item.textContent);
    const keys = {
      ArrowDown: () => mark((chosen + 1) % names.length),
      ArrowUp: () => mark((chosen + names.length - 1) % names.length),
      Tab: () => insert(names[chosen]),
      Escape: close,
    };
    if (keys[event.key]) {
      event.preventDefault();
      event.stopPropagation();
      keys[event.key]();
    }
  });
})();
