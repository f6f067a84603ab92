// The view of a cell: what is said of it, and what happened in it.
const view = byId("cell");

// Every part is quoted, so a path stays below the report's directory and is never another scheme.
const pathOf = (path) => path.split("/").filter((part) => part && part !== "." && part !== "..").map(encodeURIComponent).join("/");

const rungs = (cell) => {
  if (cell.stage === null) return null;
  const list = make("ol", `stages v-${data.verdicts[cell.verdict][0]}`);
  list.setAttribute("aria-label", `Furthest stage: ${data.stages[cell.stage]}`);
  data.stages.forEach((stage, at) => {
    const rung = make("li", at < cell.stage ? "below" : at === cell.stage ? "here" : "", stage);
    if (at === cell.stage) rung.setAttribute("aria-current", "step");
    list.append(rung);
  });
  return list;
};

const facts = (cell) => {
  const list = make("dl", "facts-of");
  const fact = (name, ...content) => { if (content.some((part) => part)) list.append(make("dt", "", name), make("dd", "", ...content)); };
  const scenario = cell.row.scenario;
  fact("Expected", text(cell.expected));
  fact("Clause", make("span", `level l-${cell.row.level}`, cell.row.level), ` ${scenario.clause}`);
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
  fact("Feature", link(hashOf(`rely/${scenario.id}`), `${scenario.id} on every build`));
  fact("Scenario", make("code", "small", `sha256 ${scenario.digest.slice(0, 16)}`));
  return list;
};

// What is asserted about the conversation, the violated first; what the cell did not come to is only counted.
const conversationOf = (cell) => {
  if (!cell.assertions.length) return null;
  const order = ["violated", "observed", "kept"];
  const tested = cell.assertions.filter(([, state]) => order.includes(state))
    .sort(([, one], [, other]) => order.indexOf(one) - order.indexOf(other));
  const left = cell.assertions.length - tested.length;
  return make("section", "others", make("h2", "", "On the way"),
    make("ul", "assertions", tested.map(([id, state, verdict, level, clause, detail, waiver]) => {
      const [word, sign] = data.verdicts[verdict];
      return make("li", "", make("span", `chip v-${word}`, `${sign} ${state}`), make("code", "", text(id)),
        make("div", "small", make("span", `level l-${level}`, level), ` ${text(clause)}`), make("div", "", text(detail)),
        waiver === null ? null : make("div", "small", `Known: ${text(waiver)}`));
    })),
    left ? make("p", "small", `It did not come to ${left} more.`) : null);
};

const others = (cell) => {
  const siblings = cell.row.cells.filter((other) => other && other !== cell);
  if (!siblings.length) return null;
  return make("section", "others", make("h2", "", "The same point on the other builds"),
    make("ul", "", siblings.map((other) => make("li", "", link(hashOf(idOf(other)), builds[other.build].id), chip(other, true)))));
};

const linesOf = (entries) => {
  const lines = entries.filter((entry) => entry.line !== undefined);
  if (!lines.length) return make("p", "empty", "The guest said nothing on its console.");
  return make("table", "console-lines", make("tbody", "", lines.map(({ at, line }) =>
    make("tr", "", make("td", "time", timeOf(at)), make("td", "", make("code", "", line))))));
};

const timelineOf = (entries) => {
  const head = make("thead", "", make("tr", "", ["Guest time", "Packet", "What", ""].map((name) => {
    const cell = make("th", "", name);
    cell.scope = "col";
    return cell;
  })));
  const said = (event) => Object.entries(event).filter(([name]) => name !== "event")
    .map(([name, value]) => `${words(name)} ${typeof value === "object" ? JSON.stringify(value) : value}`).join(", ");
  const body = make("tbody", "", entries.map(({ at, frame, line, event }) => make("tr", frame ? "" : line !== undefined ? "console" : "event",
    make("td", "time", timeOf(at)), make("td", "time", frame ? `${frame.number}` : ""),
    make("td", "", frame ? (frame.toGuest ? "to the guest" : "from the guest") : line !== undefined ? "console" : words(event.event ?? "")),
    make("td", "", make("code", "", frame ? frame.summary : line ?? said(event))))));
  return make("table", "timeline", head, body);
};

// Tabs as in the ARIA authoring practices: arrow keys move, one tab is in the tab order.
const tabsOf = (parts, chosen, choose) => {
  const bar = make("div", "tablist");
  bar.setAttribute("role", "tablist");
  const panels = parts.map(([name, content]) => {
    const panel = make("div", "tabpanel", make("h2", "print", name), content);
    panel.id = `panel-${name.toLowerCase()}`;
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-label", name);
    return panel;
  });
  const tabs = parts.map(([name], at) => {
    const tab = button("", name, () => { show(at); choose(name.toLowerCase()); });
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", panels[at].id);
    return tab;
  });
  const show = (at) => tabs.forEach((tab, each) => {
    tab.setAttribute("aria-selected", String(each === at));
    tab.tabIndex = each === at ? 0 : -1;
    panels[each].classList.toggle("away", each !== at);
  });
  bar.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const next = tabs[(tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length];
    next.focus();
    next.click();
  });
  bar.append(...tabs);
  show(Math.max(0, parts.findIndex(([name]) => name.toLowerCase() === chosen)));
  return make("div", "story", bar, ...panels);
};

// Lines of the explanation; the packets that they cite open in the ladder.
const toldOf = (lines, open) => make("dl", "told", lines.flatMap(([topic, said]) => [make("dt", "", topic),
  make("dd", "", said.split(/(\(packets? [\d, …]+\))/).flatMap((part) => (/^\(packets? /.test(part)
    ? part.split(/(\d+)/).map((piece) => (/^\d+$/.test(piece) ? button("cited", piece, () => open(Number(piece))) : piece))
    : [part])))]));

const showCell = async (cell, { packet, tab }) => {
  const scenario = cell.row.scenario;
  const title = make("h1", "", scenario.title);
  title.id = "cell-title";
  title.tabIndex = -1;
  const place = make("div", "story-place", make("p", "empty", "Unpacking…"));
  place.setAttribute("aria-live", "polite");
  const explanation = make("section", "explanation", make("h2", "", "What happened"), make("p", "detail", text(cell.detail)),
    cell.cause === null ? null : make("p", "cause", make("code", "", text(cell.cause))));
  view.replaceChildren(
    make("header", "", button("leave", "← Matrix", leave), make("span", "sr", "Cell "), make("code", "id", idOf(cell)), stepper(cell)),
    make("div", "columns",
      make("div", "said", chip(cell, true), title, make("p", "small", data.verdicts[cell.verdict][2]), rungs(cell),
        explanation,
        conversationOf(cell), facts(cell), others(cell)),
      place),
  );
  let story = null;
  let broken = "";
  try {
    story = await storyOf(cell);
  } catch (error) {
    broken = `This browser cannot unpack them (${error.message}).`;
  }
  if (!place.isConnected) return;
  if (!story) {
    const why = broken || (cell.evidence ? "They are not in this page: its files were gone when the page was made, or the page was full. See the notes under Provenance." : "This cell did not run, so nothing was recorded.");
    place.replaceChildren(make("div", "nothing", make("h2", "", "No ladder, console or timeline"), make("p", "", why)));
    return;
  }
  const { lines, entries } = story;
  const drawn = ladder(entries, (number) => keep({ packet: number }));
  place.replaceChildren(tabsOf([["Ladder", drawn.element], ["Console", linesOf(entries)], ["Timeline", timelineOf(entries)]], tab, (name) => keep({ tab: name === "ladder" ? null : name })));
  const open = (number) => {
    const at = drawn.open(number);
    at?.focus({ preventScroll: true });
    at?.scrollIntoView({ block: "center" });
  };
  if (lines.length) {
    explanation.append(toldOf(lines, (number) => {
      place.querySelector("[role=tab]")?.click();
      open(number);
    }));
  }
  if (packet) open(Number(packet));
};

// Previous and next shown point of the same build.
const stepper = (cell) => {
  const list = rows.filter((row) => !row.element.hidden && row.cells[cell.build]).map((row) => row.cells[cell.build]);
  const at = list.indexOf(cell);
  const to = (step, sign, name) => {
    const next = list[at + step];
    if (at < 0 || !next) return null;
    const element = link(hashOf(idOf(next)), sign);
    element.setAttribute("aria-label", `${name} point: ${next.row.point}`);
    element.title = `${name} point`;
    return element;
  };
  return make("nav", "stepper", to(-1, "↑", "Previous"), to(1, "↓", "Next"));
};
