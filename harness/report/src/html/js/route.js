// Where the reader is, in the address: #, #rely, #rely/<scenario> or #<cell>, then ?filters, packet and tab.

// Quoted as far as a fragment needs it, so that a permalink can be read (RFC 3986 §3.5).
const hashOf = (name, params = filterParams()) => {
  const quoted = encodeURIComponent(name).replace(/%(2F|3A|3B|3D|40|2C)/g, decodeURIComponent);
  const query = params.toString();
  return `#${quoted}${query ? `?${query}` : ""}`;
};
const filterParams = () => new URLSearchParams(Object.entries(filters.read()).filter(([, value]) => value));

const named = new Map(cells.map((cell) => [idOf(cell), cell]));
const here = () => {
  const [path, query = ""] = location.hash.slice(1).split(/\?(.*)/s);
  let name = path;
  try { name = decodeURIComponent(path); } catch { /* a hash that is no percent-encoding names itself */ }
  const feature = /^s\d+$/.test(name) ? scenarios[Number(name.slice(1))]
    : name.startsWith("rely/") ? scenarios.find((scenario) => scenario.id === name.slice(5)) : undefined;
  return {
    name, params: new URLSearchParams(query), feature,
    cell: named.get(name) ?? (/^c\d+$/.test(name) ? cells[Number(name.slice(1))] : undefined),
  };
};

// What was focused on the front when a view was opened from it.
let origin = null;
let current = null;
const front = byId("front");
const title = document.title;

const shut = () => {
  if (view.hidden) return;
  view.hidden = true;
  view.replaceChildren();
  front.inert = false;
  document.body.classList.remove("reading");
  document.title = title;
  const back = origin ?? (current ? byId(`c${current.number}`) : null);
  origin = current = null;
  if (back?.isConnected) {
    back.focus({ preventScroll: true });
    back.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
};

const follow = () => {
  const { name, params, cell, feature } = here();
  const section = !cell && !feature && name && name !== "rely" ? byId(name) : null;
  if (!section || params.size) filters.write(params);
  if (!cell && !feature) {
    document.body.classList.toggle("rely", name === "rely");
    for (const [id, is] of [["to-rely", name === "rely"], ["to-matrix", name !== "rely"]]) {
      if (is) byId(id).setAttribute("aria-current", "page");
      else byId(id).removeAttribute("aria-current");
    }
  }
  applyFilters();
  if (!cell && !feature) {
    shut();
    section?.scrollIntoView();
    return;
  }
  if (view.hidden && front.contains(document.activeElement)) origin = document.activeElement;
  current = cell ?? null;
  front.inert = true;
  document.body.classList.add("reading");
  view.hidden = false;
  view.scrollTop = 0;
  document.title = `${cell ? idOf(cell) : feature.id} · plugfest`;
  if (cell) showCell(cell, { packet: params.get("packet"), tab: params.get("tab") });
  else showFeature(feature);
  if (!params.get("packet")) byId("cell-title").focus({ preventScroll: true });
};

// Filters, packets and tabs are said in the address without a step of the history for each.
const keep = (changes) => {
  const { name, params } = here();
  for (const [key, value] of Object.entries(changes)) {
    if (value) params.set(key, value);
    else params.delete(key);
  }
  history.replaceState(history.state, "", hashOf(name, params));
};
const leave = () => {
  // Back to where the front was left; an address that was opened as it is has no such place.
  if (history.state?.depth) return history.go(-history.state.depth);
  const { feature } = here();
  location.hash = hashOf(feature ? "rely" : document.body.classList.contains("rely") ? "rely" : "");
};

let waiting = 0;
const filtered = () => {
  cancelAnimationFrame(waiting);
  waiting = requestAnimationFrame(() => {
    const { name } = here();
    history.replaceState(history.state, "", hashOf(name === "rely" ? "rely" : "", filterParams()));
    applyFilters();
  });
};
const clear = () => { filters.write(new URLSearchParams()); filtered(); };
form.addEventListener("input", filtered);
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", (event) => { event.preventDefault(); clear(); byId("q").focus(); });
document.querySelectorAll("[data-clear]").forEach((one) => one.addEventListener("click", clear));
verdictButtons.forEach((one) => one.addEventListener("click", () => {
  one.setAttribute("aria-pressed", String(one.getAttribute("aria-pressed") !== "true"));
  filtered();
}));
form.hidden = false;

// A link to a cell, a feature or a view becomes a permalink that keeps the filters.
const go = (hash, state) => {
  if (hash === location.hash) return;
  history.pushState(state, "", hash);
  follow();
};
addEventListener("click", (event) => {
  const anchor = event.target.closest?.("a[href^='#']");
  if (!anchor || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const target = anchor.getAttribute("href").slice(1);
  const state = { depth: front.contains(anchor) ? 1 : history.state?.depth ? history.state.depth + 1 : 0 };
  if (/^c\d+$/.test(target) && cells[Number(target.slice(1))]) go(hashOf(idOf(cells[Number(target.slice(1))])), state);
  else if (/^s\d+$/.test(target)) go(hashOf(`rely/${scenarios[Number(target.slice(1))].id}`), state);
  else if (view.contains(anchor)) go(anchor.getAttribute("href"), state);
  else if (target === "" || target === "rely") go(hashOf(target), null);
  else return;
  event.preventDefault();
});
addEventListener("popstate", follow);

// Keys: / searches, Escape leaves, arrows walk the matrix.
const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.key === "Escape" && !view.hidden) return leave();
  if (event.key === "/" && view.hidden && !/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) {
    event.preventDefault();
    return byId("q").focus();
  }
  const step = STEPS[event.key];
  const anchor = event.target.closest?.("#cells td a");
  if (!step || !anchor) return;
  event.preventDefault();
  const from = cellOf(anchor);
  let row = rows.indexOf(from.row);
  let build = from.build;
  let next;
  do {
    row += step[0];
    build += step[1];
    next = rows[row] && !rows[row].element.hidden && rows[row].cells[build];
  } while (!next && rows[row] && build >= 0 && build < builds.length);
  if (next) byId(`c${next.number}`).focus();
});

// Light, dark, or as the system says.
const THEMES = ["system", "light", "dark"];
const remembered = () => { try { return localStorage.getItem("plugfest-theme"); } catch { return null; } };
let theme = THEMES.includes(remembered()) ? remembered() : "system";
const paint = () => {
  document.documentElement.dataset.theme = theme;
  byId("theme").textContent = `Theme: ${theme}`;
};
byId("theme").hidden = false;
byId("theme").addEventListener("click", () => {
  theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
  try { localStorage.setItem("plugfest-theme", theme); } catch { /* it lasts as long as the page */ }
  paint();
});
paint();

let closed = [];
addEventListener("beforeprint", () => { closed = [...document.querySelectorAll("details:not([open])")]; closed.forEach((element) => { element.open = true; }); });
addEventListener("afterprint", () => closed.forEach((element) => { element.open = false; }));
follow();
performance.mark("plugfest-ready");
