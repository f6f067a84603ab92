"use strict";
// Adds filters and the details of a cell to a table that is complete without it. Texts only ever become text nodes.
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const text = (at) => (at === null || at === undefined ? null : data.texts[at]);

  const builds = data.builds.map(([id, version, digest]) => ({ id: text(id), version: text(version), digest: text(digest) }));
  const scenarios = data.scenarios.map(([area, id, title, clause, level, digest]) => ({
    area: text(area), id: text(id), title: text(title), clause: text(clause), level, digest: text(digest), shown: 0,
  }));
  const rows = data.rows.map(([scenario, point, params, differs]) => ({
    scenario: scenarios[scenario], point: text(point), params, differs, cells: [], element: null, words: null,
  }));
  const cells = data.cells.map(([row, build, verdict, outcome, stage, cause, detail, expected, waiver, wall, guest, attempts, flaky, evidence], number) => {
    const cell = { number, row: rows[row], build, verdict, outcome, stage, cause, detail, expected, waiver, wall, guest, attempts, flaky, evidence };
    rows[row].cells[build] = cell;
    return cell;
  });
  const idOf = (cell) => `${cell.row.point}@${builds[cell.build].id}`;

  const table = byId("cells");
  const areas = [];
  {
    let row = 0;
    let scenario = 0;
    for (const body of table.tBodies) {
      if (body.classList.contains("area")) {
        areas.push({ element: body, name: null, shown: 0 });
        continue;
      }
      const area = areas[areas.length - 1];
      area.name = scenarios[scenario].area;
      scenarios[scenario].element = body;
      scenarios[scenario].group = area;
      scenario += 1;
      for (const element of body.querySelectorAll("tr.row")) {
        rows[row].element = element;
        row += 1;
      }
    }
  }

  // Filters

  const form = byId("filters");
  const option = (select, value) => select.add(new Option(value, value));
  areas.forEach((area) => option(byId("area"), area.name));
  ["must", "should", "may", "observe"].filter((level) => scenarios.some((s) => s.level === level)).forEach((level) => option(byId("level"), level));

  const wordsOf = (row) => {
    row.words ??= [row.point, row.scenario.title, row.scenario.clause, row.scenario.level]
      .concat(row.cells.flatMap((cell) => [data.verdicts[cell.verdict][0], data.outcomes[cell.outcome], data.stages[cell.stage], text(cell.cause), text(cell.detail)]))
      .filter(Boolean).join("\n").toLowerCase();
    return row.words;
  };

  const filter = () => {
    const wanted = byId("q").value.toLowerCase().split(/\s+/).filter(Boolean);
    const area = byId("area").value;
    const level = byId("level").value;
    const differs = byId("differs").checked;
    const verdicts = new Set([...form.querySelectorAll("[data-verdict][aria-pressed=true]")].map((button) => Number(button.dataset.verdict)));
    scenarios.forEach((scenario) => { scenario.shown = 0; });
    areas.forEach((group) => { group.shown = 0; });
    let shown = 0;
    for (const row of rows) {
      const show = (!area || row.scenario.area === area)
        && (!level || row.scenario.level === level)
        && (!differs || row.differs)
        && (!verdicts.size || row.cells.some((cell) => verdicts.has(cell.verdict)))
        && wanted.every((word) => wordsOf(row).includes(word));
      row.element.hidden = !show;
      if (show) {
        shown += 1;
        row.scenario.shown += 1;
        row.scenario.group.shown += 1;
      }
      for (const element of row.element.cells) {
        const link = element.querySelector("a");
        if (link) element.classList.toggle("faded", verdicts.size > 0 && !verdicts.has(cells[Number(link.id.slice(1))].verdict));
      }
    }
    scenarios.forEach((scenario) => { scenario.element.hidden = !scenario.shown; });
    areas.forEach((group) => { group.element.hidden = !group.shown; });
    byId("shown").textContent = shown === rows.length ? `all ${shown} points` : `${shown} of ${rows.length} points`;
    byId("empty").hidden = shown > 0;
    byId("clear").hidden = !(wanted.length || area || level || differs || verdicts.size);
  };
  let pending = 0;
  const soon = () => { cancelAnimationFrame(pending); pending = requestAnimationFrame(filter); };
  form.addEventListener("input", soon);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => {
    form.querySelectorAll("[aria-pressed]").forEach((button) => button.setAttribute("aria-pressed", "false"));
    setTimeout(soon);
  });
  form.addEventListener("click", (event) => {
    const button = event.target.closest("[data-verdict]");
    if (!button) return;
    button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
    soon();
  });
  form.hidden = false;
  filter();

  // Details of a cell

  const panel = byId("panel");
  let current = null;

  const make = (name, className, ...children) => {
    const element = document.createElement(name);
    if (className) element.className = className;
    element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
    return element;
  };
  const link = (href, content) => {
    const element = make("a", "", content);
    element.href = href;
    element.rel = "noopener noreferrer";
    return element;
  };
  const chip = (cell, long) => {
    const [word, sign] = data.verdicts[cell.verdict];
    const happened = [data.outcomes[cell.outcome], data.outcomes[cell.outcome] === "boots" ? null : data.stages[cell.stage]].filter(Boolean).join(" at ");
    return make("span", `chip v-${word}`, `${sign} ${word}${long && happened ? `: ${happened}` : ""}${cell.flaky ? " (flaky)" : ""}`);
  };
  // Quoted as far as a fragment needs it, so that a permalink can be read (RFC 3986 §3.5).
  const hashOf = (cell) => `#${encodeURIComponent(idOf(cell)).replace(/%(2F|3A|3B|3D|3F|40|2C)/g, decodeURIComponent)}`;
  // Every part is quoted, so a path stays below the report's directory and is never another scheme.
  const pathOf = (path) => path.split("/").filter((part) => part && part !== "." && part !== "..").map(encodeURIComponent).join("/");

  const ladder = (cell) => {
    if (cell.stage === null) return null;
    const list = make("ol", "ladder");
    list.setAttribute("aria-label", `Furthest rung: ${data.stages[cell.stage]}`);
    data.stages.forEach((stage, at) => {
      const rung = make("li", at < cell.stage ? "below" : at === cell.stage ? "here" : "", stage);
      if (at === cell.stage) rung.setAttribute("aria-current", "step");
      list.append(rung);
    });
    list.classList.add(`v-${data.verdicts[cell.verdict][0]}`);
    return list;
  };

  const facts = (cell) => {
    const list = make("dl", "");
    const fact = (name, ...content) => { if (content.some((part) => part)) list.append(make("dt", "", name), make("dd", "", ...content)); };
    const scenario = cell.row.scenario;
    fact("Expected", text(cell.expected));
    fact("Clause", make("span", `level l-${scenario.level}`, scenario.level), ` ${scenario.clause}`);
    if (cell.row.params.length) {
      fact("Parameters", ...cell.row.params.map(([name, value]) => make("div", "", make("code", "", `${text(name)} = ${text(value)}`))));
    }
    if (cell.waiver) {
      const [reason, at] = cell.waiver;
      const address = text(at);
      const known = address && /^https?:\/\//.test(address);
      fact("Waiver", text(reason), known ? make("div", "", link(address, address)) : address ? make("div", "", address) : null);
    }
    fact("Firmware", builds[cell.build].id, make("div", "small", builds[cell.build].version), make("code", "small", builds[cell.build].digest));
    fact("Time", cell.attempts ? `${cell.guest} in the guest, ${cell.wall} on the host${cell.attempts > 1 ? `, ${cell.attempts} attempts` : ""}` : "never started");
    if (cell.evidence) {
      const [directory, ...files] = cell.evidence.map(text);
      const links = files.map((file) => {
        const path = file.startsWith("/") ? file : `${directory}/${file}`;
        return make("li", "", link(pathOf(path), file.split("/").pop()));
      });
      fact("Evidence", make("ul", "files", ...links));
    }
    fact("Cell", make("code", "", link(hashOf(cell), idOf(cell))));
    fact("Scenario", make("code", "small", `sha256 ${scenario.digest.slice(0, 16)}`));
    return list;
  };

  const others = (cell) => {
    const siblings = cell.row.cells.filter((other) => other && other !== cell);
    if (!siblings.length) return null;
    const list = make("ul", "", ...siblings.map((other) => make("li", "", link(hashOf(other), builds[other.build].id), chip(other, true))));
    return make("div", "others", make("h3", "", "The same point on the other builds"), list);
  };

  const open = (cell) => {
    close();
    current = byId(`c${cell.number}`);
    current.setAttribute("aria-current", "true");
    const shut = make("button", "", "×");
    shut.type = "button";
    shut.setAttribute("aria-label", "Close the details");
    shut.addEventListener("click", leave);
    const title = make("h2", "", cell.row.scenario.title);
    title.id = "panel-title";
    const parts = [
      make("header", "", chip(cell, true), shut), title, make("p", "small", data.verdicts[cell.verdict][2]),
      make("p", "detail", text(cell.detail)), cell.cause === null ? null : make("p", "cause", make("code", "", text(cell.cause))),
      ladder(cell), facts(cell), others(cell),
    ];
    panel.replaceChildren(...parts.filter(Boolean));
    panel.scrollTop = 0;
    panel.hidden = false;
    document.body.classList.add("with-panel");
    // The panel takes room from the table, which may have moved the cell away.
    const box = current.getBoundingClientRect();
    const view = table.parentElement.getBoundingClientRect();
    const foot = matchMedia("(max-width: 50rem)").matches ? innerHeight - panel.offsetHeight : innerHeight;
    const top = Math.max(0, view.top) + table.tHead.offsetHeight;
    const left = view.left + table.tHead.rows[0].cells[0].offsetWidth;
    if (box.top < top || box.bottom > Math.min(foot, view.bottom) || box.left < left || box.right > view.right) {
      current.scrollIntoView({ block: "center", inline: "center" });
      if (foot < innerHeight) scrollBy(0, (innerHeight - foot) / 2);
    }
  };
  const close = () => {
    if (current) current.removeAttribute("aria-current");
    current = null;
    panel.hidden = true;
    document.body.classList.remove("with-panel");
  };
  const leave = () => {
    const cell = current;
    close();
    history.replaceState(null, "", "#");
    if (cell) cell.focus({ preventScroll: true });
  };

  const numbers = new Map(cells.map((cell) => [idOf(cell), cell]));
  const named = () => {
    let name = location.hash.slice(1);
    try { name = decodeURIComponent(name); } catch { /* a hash that is no percent-encoding names itself */ }
    return numbers.get(name) ?? (/^c\d+$/.test(name) ? cells[Number(name.slice(1))] : undefined);
  };
  const follow = () => {
    const cell = named();
    if (!cell) return;
    if (cell.row.element.hidden) {
      form.reset();
      cell.row.element.hidden = cell.row.scenario.element.hidden = cell.row.scenario.group.element.hidden = false;
    }
    open(cell);
  };
  addEventListener("hashchange", follow);
  table.addEventListener("click", (event) => {
    const anchor = event.target.closest("td a");
    if (!anchor || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const cell = cells[Number(anchor.id.slice(1))];
    if (anchor === current) return leave();
    history.pushState(null, "", hashOf(cell));
    open(cell);
    anchor.focus({ preventScroll: true });
    if (event.detail === 0) panel.focus(); // opened by keyboard or by a screen reader: go where the news is
  });
  addEventListener("popstate", () => { if (!named()) close(); });

  const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !panel.hidden) return leave();
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      return byId("q").focus();
    }
    const step = steps[event.key];
    const anchor = event.target.closest && event.target.closest("td a");
    if (!step || !anchor || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const from = cells[Number(anchor.id.slice(1))];
    let row = rows.indexOf(from.row);
    let build = from.build;
    let next;
    do {
      row += step[0];
      build += step[1];
      next = rows[row] && !rows[row].element.hidden && rows[row].cells[build];
    } while (!next && rows[row] && build >= 0 && build < builds.length);
    if (!next) return;
    const target = byId(`c${next.number}`);
    target.focus();
    if (!panel.hidden) {
      history.replaceState(null, "", hashOf(next));
      open(next);
    }
  });

  let closed = [];
  addEventListener("beforeprint", () => { closed = [...document.querySelectorAll("details:not([open])")]; closed.forEach((element) => { element.open = true; }); });
  addEventListener("afterprint", () => closed.forEach((element) => { element.open = false; }));
  follow();
})();
