// The page of a feature: its points on every build.
const showFeature = (scenario) => {
  const title = make("h1", "", scenario.title);
  title.id = "cell-title";
  title.tabIndex = -1;
  const column = (name, ...more) => {
    const cell = make("th", "", name, ...more);
    cell.scope = "col";
    return cell;
  };
  const heading = (...content) => {
    const cell = make("th", "", ...content);
    cell.scope = "row";
    return cell;
  };
  const answers = scenario.feature ? [...scenario.feature.cells].slice(2) : null;
  const answer = answers && make("tr", "answer", heading("Can I rely on it?"),
    answers.map((cell) => make("td", cell.className, make("span", "", cell.textContent))));
  const levels = [...new Set(scenario.rows.map((row) => row.level))];
  const points = scenario.rows.map((row) => make("tr", "", heading(levels.length > 1 ? make("span", `level l-${row.level}`, row.level) : null, row.params.length
    ? row.params.map(([name, value]) => make("div", "", make("span", "small", `${text(name)} `), make("code", "", text(value))))
    : "no parameters"),
  builds.map((_, build) => {
    const cell = row.cells[build];
    return make("td", "", cell ? link(hashOf(idOf(cell)), chip(cell, true)) : make("span", "small", "did not run"));
  })));
  const short = scenario.feature?.cells[1].textContent;
  view.replaceChildren(
    make("header", "", button("leave", "← Can I rely on it?", leave), make("code", "id", scenario.id)),
    make("div", "feature", title,
      make("p", "", levels.map((level) => make("span", `level l-${level}`, level)), ` ${scenario.clause}`),
      short ? make("p", "short-answer", "In short: ", make("b", "", short)) : make("p", "small", "A scenario that only observes asks for nothing, so there is nothing to rely on."),
      make("div", "scroll wide", make("table", "", make("thead", "", make("tr", "", column("Point"), builds.map((build) => column(build.id, make("span", "version", build.version))))), make("tbody", "", answer, points)))),
  );
};
