// The search of pages that have no server: names are read when somebody begins to search. All is in plain tables without it.
const search = document.getElementById("search");
const most = 50;

function shown(found) {
  const list = document.createElement("ul");
  for (const [run, row] of found.slice(0, most)) {
    const item = document.createElement("li");
    const link = document.createElement("a");
    link.href = run.folder + row[4] + "/index.html";
    link.textContent = row[1] || row[0];
    item.append(link, ` ${row[0]} · ${[row[2], row[3]].filter(Boolean).join(", ")} · ${run.title}`);
    list.append(item);
  }
  const said = document.createElement("p");
  const more = found.length > most ? `, the first ${most} of them` : "";
  said.textContent = `${found.length} found${more}`;
  document.getElementById("hits").replaceChildren(said, list);
}

function find(words) {
  const parts = words.toLowerCase().split(/\s+/).filter(Boolean);
  const hits = document.getElementById("hits");
  if (!parts.length || !window.openvbpProviders) return hits.replaceChildren();
  const found = [];
  for (const run of window.openvbpProviders) {
    for (const row of run.rows) {
      const text = (row.join(" ") + " " + run.title).toLowerCase();
      if (parts.every((part) => text.includes(part))) found.push([run, row]);
    }
  }
  shown(found);
}

if (search) {
  const field = document.getElementById("q");
  search.hidden = false;
  field.addEventListener("input", () => find(field.value));
  field.addEventListener("focus", () => {
    const names = document.createElement("script");
    names.src = search.dataset.providers;
    names.onload = () => find(field.value);
    document.head.append(names);
  }, { once: true });
}
