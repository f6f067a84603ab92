// Filters: one form for both tables.
const table = byId("cells");
const areas = [];
{
  let row = 0;
  let scenario = 0;
  for (const body of table.tBodies) {
    if (body.classList.contains("area")) {
      areas.push({ element: body, name: null, shown: 0, features: null });
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
const featureAreas = [];
for (const body of byId("features")?.tBodies ?? []) {
  if (body.classList.contains("area")) featureAreas.push({ element: body, scenarios: [] });
  else {
    for (const element of body.rows) {
      const scenario = scenarios[Number(element.dataset.scenario)];
      scenario.feature = element;
      featureAreas[featureAreas.length - 1].scenarios.push(scenario);
    }
  }
}

const form = byId("filters");
const verdictButtons = [...form.querySelectorAll("[data-verdict]")];
for (const area of areas) byId("area").add(new Option(area.name, area.name));
for (const level of ["must", "should", "may", "observe"]) {
  if (rows.some((row) => row.level === level)) byId("level").add(new Option(level, level));
}

const wordsOf = (row) => {
  row.words ??= [row.point, row.scenario.title, row.scenario.clause, row.level]
    .concat(row.cells.flatMap((cell) => [data.verdicts[cell.verdict][0], data.outcomes[cell.outcome], data.stages[cell.stage], text(cell.cause), text(cell.detail)]))
    .filter(Boolean).join("\n").toLowerCase();
  return row.words;
};

// What the form says, in the words of a permalink.
const filters = {
  read: () => ({
    q: byId("q").value.trim(), area: byId("area").value, level: byId("level").value,
    verdict: verdictButtons.filter((one) => one.getAttribute("aria-pressed") === "true").map((one) => one.dataset.verdict).join(","),
    differs: byId("differs").checked ? "1" : "",
  }),
  write: (wanted) => {
    for (const name of ["q", "area", "level"]) byId(name).value = wanted.get(name) ?? "";
    for (const name of ["area", "level"]) if (byId(name).selectedIndex < 0) byId(name).value = "";
    const verdicts = (wanted.get("verdict") ?? "").split(",");
    for (const one of verdictButtons) one.setAttribute("aria-pressed", String(verdicts.includes(one.dataset.verdict)));
    byId("differs").checked = wanted.get("differs") === "1";
  },
};

// The names of the verdicts that are faded by the last call: a class is only touched where it changes.
let faded = "";
const applyFilters = () => {
  const { q, area, level, verdict, differs } = filters.read();
  const wanted = q.toLowerCase().split(/\s+/).filter(Boolean);
  const verdicts = new Set(verdict.split(",").filter(Boolean));
  for (const scenario of scenarios) scenario.shown = 0;
  for (const group of areas) group.shown = 0;
  let shown = 0;
  for (const row of rows) {
    const show = (!area || row.scenario.area === area)
      && (!level || row.level === level)
      && (!differs || row.differs)
      && (!verdicts.size || row.cells.some((cell) => verdicts.has(data.verdicts[cell.verdict][0])))
      && wanted.every((word) => wordsOf(row).includes(word));
    if (row.element.hidden === show) row.element.hidden = !show;
    if (show) {
      shown += 1;
      row.scenario.shown += 1;
      row.scenario.group.shown += 1;
    }
  }
  if (faded !== verdict) {
    faded = verdict;
    for (const cell of cells) {
      byId(`c${cell.number}`).parentElement.classList.toggle("faded", verdicts.size > 0 && !verdicts.has(data.verdicts[cell.verdict][0]));
    }
  }
  for (const scenario of scenarios) scenario.element.hidden = !scenario.shown;
  for (const group of areas) group.element.hidden = !group.shown;

  let features = 0;
  let all = 0;
  for (const group of featureAreas) {
    const visible = group.scenarios.filter((scenario) => scenario.shown);
    for (const scenario of group.scenarios) scenario.feature.hidden = !scenario.shown;
    group.element.hidden = !visible.length;
    features += visible.length;
    all += group.scenarios.length;
  }
  const [count, total, word] = document.body.classList.contains("rely") ? [features, all, "features"] : [shown, rows.length, "points"];
  byId("shown").textContent = count === total ? `all ${total} ${word}` : `${count} of ${total} ${word}`;
  byId("empty").hidden = shown > 0;
  if (byId("empty-features")) byId("empty-features").hidden = features > 0;
  byId("clear").hidden = !(wanted.length || area || level || differs || verdicts.size);
};
