// The ladder: the guest on the left, the services that it met on the right, guest time downwards.
const GAP = 1e6; // µs of silence that are worth a line

// What a message says, in few words: [what matters, the rest].
const labelOf = ({ frame, events }) => {
  const summary = bare(frame.summary);
  const handshake = events.filter((event) => event.event === "tls-message").map((event) => words(event.message ?? ""));
  if (handshake.length) return [`TLS ${handshake.join(", ")}`, ""];
  const http = events.find((event) => /^http-(request|response)$/.test(event.event));
  if (http?.event === "http-request") return [`${http.method} ${http.target}`, http.version];
  if (http) return [`${http.status}`, `to ${http.method}, ${http.body} bytes of body${http.image ? ": the boot image" : ""}`];
  const alert = events.find((event) => event.event === "tls-alert");
  if (alert) return [`TLS alert: ${alert.description}`, `${alert.level} (${alert.code})`];
  const tcp = summary.match(/^TCP \S+ > \S+ (\[[^\]]*\])(.*)$/);
  if (tcp) {
    const said = tcp[2].match(/"(.*)"/);
    const flags = `TCP ${tcp[1].slice(1, -1).replace(",", ", ")}`;
    const told = events.map((event) => words(event.event ?? "")).filter((name) => name !== "tcp syn").join(", ");
    return said ? [said[1], flags] : [flags, told || tcp[2].replace(/^ seq \d+( ack \d+)?/, "").trim()];
  }
  const address = summary.match(/^ARP (\S+) is-at (.*)$/);
  if (address) return ["ARP is-at", `${address[1]} is ${address[2]}`];
  const named = summary.match(/^(DHCPv[46] \S+|DNS \S+ \S+|ARP \S+|ICMPv6 (?:router|neighbour|multicast listener|\S+) ?[a-z]*|proof of execution)(.*)$/);
  if (!named) return [summary, ""];
  const addresses = events.find((event) => event.addresses?.length)?.addresses.join(", ");
  const rest = named[2].replace(/^,?\s*(xid \S+)?\s*/, "");
  return [named[1].trim(), rest || (addresses ? `address ${addresses}` : "")];
};

// Any value as something to read: lists of names and values as a list of terms, the rest as text.
const valueOf = (value) => {
  if (Array.isArray(value)) {
    if (!value.length) return "none";
    if (value.every((item) => item && typeof item === "object" && "name" in item)) {
      return make("dl", "fields", value.flatMap((item) => [make("dt", "", String(item.name)), make("dd", "", String(item.value ?? ""))]));
    }
    return value.map((item) => (item && typeof item === "object" ? JSON.stringify(item) : String(item))).join(", ");
  }
  if (value && typeof value === "object") {
    if ("address" in value && "port" in value) return `${value.address} port ${value.port}`;
    return fieldsOf(value);
  }
  return value === true ? "yes" : value === false ? "no" : String(value);
};
const fieldsOf = (object) => make("dl", "fields", Object.entries(object)
  .filter(([name]) => name !== "event")
  .flatMap(([name, value]) => {
    const shown = name === "xid" && typeof value === "number" ? `0x${value.toString(16)}` : valueOf(value);
    return [make("dt", "", words(name)), make("dd", "", shown)];
  }));

const TCP_WORDS = { seq: "sequence number", ack: "acknowledgement", win: "window", mss: "maximum segment size", ws: "window scale", len: "payload bytes" };
const decoded = (step) => {
  const parts = step.events.map((event) => make("section", "", make("h4", "", words(event.event ?? "event")), fieldsOf(event)));
  if (step.frame) {
    const { number, toGuest, length, summary } = step.frame;
    const tcp = summary.match(/^TCP (\S+) > (\S+) \[([^\]]*)\](.*)$/);
    const options = tcp ? [...tcp[4].replace(/".*"/, "").matchAll(/(seq|ack|win|mss|ws|len) (\d+)/g)].map(([, name, value]) => [name, value]) : [];
    parts.push(make("section", "", make("h4", "", `packet ${number}`), fieldsOf({
      "guest time": timeOf(step.at), direction: toGuest ? "to the guest" : "from the guest", length: `${length} bytes`,
      ...(tcp ? { from: tcp[1], to: tcp[2], flags: tcp[3], ...Object.fromEntries(options.map(([name, value]) => [TCP_WORDS[name], value])) } : {}),
      summary,
    })));
  }
  return make("div", "decoded", parts);
};

// `choose(number)` is told which packet is open, or null.
const ladder = (entries, choose) => {
  const steps = ladderOf(entries);
  const used = LANES.filter(([lane]) => steps.some((step) => step.lane === lane && (step.frame || step.silence)));
  const place = new Map(used.map(([lane], at) => [lane, (at + 1) / Math.max(used.length, 1)]));
  const head = make("div", "lanes", make("b", "lane guest", "Guest"), used.map(([lane, name]) => {
    const element = make("b", `lane l-${lane}`, name);
    element.style.setProperty("--x", place.get(lane));
    return element;
  }));
  head.setAttribute("aria-hidden", "true");
  const lines = make("div", "lifelines", make("i", "guest"), used.map(([lane]) => {
    const element = make("i", `l-${lane}`);
    element.style.setProperty("--x", place.get(lane));
    return element;
  }));
  lines.setAttribute("aria-hidden", "true");

  const list = make("ol", "steps");
  const shown = { packets: new Map(), open: null };
  const close = () => {
    if (!shown.open) return;
    shown.open.querySelector(".decoded")?.remove();
    shown.open.querySelector("button").setAttribute("aria-expanded", "false");
    shown.open = null;
  };
  const open = (item, step) => {
    close();
    item.append(decoded(step));
    item.querySelector("button").setAttribute("aria-expanded", "true");
    shown.open = item;
  };

  let before = steps[0]?.at ?? 0;
  for (const step of steps) {
    if (step.at - before >= GAP) list.append(make("li", "gap", `${((step.at - before) / 1e6).toFixed(1)} s later`));
    before = step.at;
    const time = make("span", "time", timeOf(step.at));
    if (!step.frame) {
      const kind = step.silence ? "silence" : step.harness ? "harness" : step.lane === "guest" ? "console" : "event";
      const spoken = { silence: "no answer: ", harness: "plugfest: ", console: "console: ", event: "" }[kind];
      list.append(make("li", `note ${kind}`, time, make("span", "said", make("span", kind === "console" ? "sr" : "kind", spoken), step.note)));
      continue;
    }
    const { number, toGuest } = step.frame;
    const [main, rest] = labelOf(step);
    const lane = LANES.find(([name]) => name === step.lane);
    const item = make("li", `message l-${step.lane}${toGuest ? " back" : ""}${isPlain(step) ? " plain" : ""}`);
    item.style.setProperty("--x", place.get(step.lane));
    const arrow = make("span", "arrow");
    arrow.setAttribute("aria-hidden", "true");
    const toggle = button("", [
      time, make("span", "sr", toGuest ? `${lane[1]} to guest: ` : `guest to ${lane[1]}: `),
      make("span", "label", make("b", "", main), rest ? make("span", "rest", ` ${rest}`) : null), make("span", "number", `#${number}`), arrow,
    ], () => {
      if (shown.open === item) { close(); choose(null); } else { open(item, step); choose(number); }
    });
    toggle.setAttribute("aria-expanded", "false");
    item.append(toggle);
    list.append(item);
    shown.packets.set(number, () => {
      if (isPlain(step)) every.click();
      open(item, step);
      return toggle;
    });
  }

  const plain = steps.filter(isPlain).length;
  const every = make("input");
  every.type = "checkbox";
  const box = make("div", "ladder-box", make("p", "tools small",
    make("span", "", "A message opens its fields."),
    plain ? make("label", "check", every, `show ${plain} bare TCP frame${plain === 1 ? "" : "s"} too`) : null), head, make("div", "rungs", lines, list));
  box.classList.add("quiet");
  every.addEventListener("change", () => box.classList.toggle("quiet", !every.checked));
  return { element: box, open: (number) => shown.packets.get(number)?.(), close };
};
