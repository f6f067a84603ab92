// The page's data and small helpers. Texts of others only ever become text nodes.
const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId("data").textContent);
const text = (at) => (at === null || at === undefined ? null : data.texts[at]);

const builds = data.builds.map(([id, version, digest]) => ({ id: text(id), version: text(version), digest: text(digest) }));
const scenarios = data.scenarios.map(([area, id, title, clause, level, digest], number) => ({
  number, area: text(area), id: text(id), title: text(title), clause: text(clause), level, digest: text(digest),
  shown: 0, rows: [], element: null, group: null, feature: null,
}));
const rows = data.rows.map(([scenario, point, params, differs, level]) => {
  const row = { scenario: scenarios[scenario], point: text(point), params, differs, level, cells: [], element: null, words: null };
  row.scenario.rows.push(row);
  return row;
});
const cells = data.cells.map(([row, build, verdict, outcome, stage, cause, detail, expected, waiver, wall, guest, attempts, flaky, evidence, story, assertions], number) => {
  const cell = { number, row: rows[row], build, verdict, outcome, stage, cause, detail, expected, waiver, wall, guest, attempts, flaky, evidence, story, assertions };
  rows[row].cells[build] = cell;
  return cell;
});
const idOf = (cell) => `${cell.row.point}@${builds[cell.build].id}`;
const cellOf = (anchor) => cells[Number(anchor.id.slice(1))];

const make = (name, className, ...children) => {
  const element = document.createElement(name);
  if (className) element.className = className;
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
};
const button = (className, label, act) => {
  const element = make("button", className, label);
  element.type = "button";
  element.addEventListener("click", act);
  return element;
};
const link = (href, ...content) => {
  const element = make("a", "", ...content);
  element.href = href;
  element.rel = "noopener noreferrer";
  return element;
};
const chip = (cell, long) => {
  const [word, sign] = data.verdicts[cell.verdict];
  const outcome = data.outcomes[cell.outcome];
  const happened = [outcome, outcome === "boots" ? null : data.stages[cell.stage]].filter(Boolean).join(" at ");
  return make("span", `chip v-${word}`, `${sign} ${word}${long && happened ? `: ${happened}` : ""}${cell.flaky ? " (flaky)" : ""}`);
};
