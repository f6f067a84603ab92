// What happened in a cell: unpacked on demand, then made into messages, notes and lines.
const unpacked = new Map();
const unpack = (block) => {
  if (!unpacked.has(block)) unpacked.set(block, (async () => {
    const bytes = Uint8Array.from(atob(byId(`block-${block}`).textContent), (char) => char.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
    return JSON.parse(await new Response(stream).text());
  })());
  return unpacked.get(block);
};

// What happened in a few lines, [[topic, text], …], and the entries in order: { at (µs), frame: { number, toGuest, length, summary } | line | event }.
const storyOf = async (cell) => {
  if (!cell.story) return null;
  const [block, position] = cell.story;
  let at = 0;
  const [lines, ...packed] = (await unpack(block))[position];
  const entries = packed.map(([since, ...rest]) => {
    at += since;
    if (rest.length > 1) {
      const [number, toGuest, length, summary] = rest;
      return { at, frame: { number, toGuest: toGuest === 1, length, summary } };
    }
    return typeof rest[0] === "string" ? { at, line: rest[0] } : { at, event: rest[0] ?? {} };
  });
  return { lines, entries };
};

const timeOf = (at) => `${(at / 1e6).toFixed(3)} s`;

// Service lanes, in the order in which a boot meets them.
const LANES = [
  ["link", "Link", /^(arp|icmp(?!v6 router)|dad-|neighbor-|groups-|not-forwarded)/i],
  ["router", "Router", /^(router-|redirected|icmpv6 router)/i],
  ["dhcp", "DHCP", /^dhcp/i],
  ["dns", "DNS", /^dns/i],
  ["server", "Server", /^(tcp|tls|http)/i],
  ["proof", "Proof", /^proof/i],
];
const laneOf = (words) => (LANES.find(([, , pattern]) => pattern.test(words)) ?? LANES[0])[0];
// A summary without the addresses that stand before its protocol.
const bare = (summary) => summary.replace(/^\S+ > \S+ (?=ICMP|UDP)/, "");

// Events of ours that tell of the frame that follows them; all others tell of the one before.
const isOurs = (event) => /-(sent|answer|response|advertised|relayed)$|^redirected$/.test(event.event)
  || event.direction === "to-guest";
const isSilence = (event) => /-(unanswered|withheld|malformed|failed)$|^not-forwarded$/.test(event.event);

// Messages are frames with the events that tell what they are; notes are what no frame tells.
const ladderOf = (entries) => {
  const steps = [];
  const pending = [];
  const last = new Map();
  for (const entry of entries) {
    const { at, frame, line, event } = entry;
    if (frame) {
      const lane = laneOf(bare(frame.summary));
      const step = { at, lane, frame, events: [] };
      if (frame.toGuest) {
        const isData = !/^TCP .*\[/.test(frame.summary) || / len \d/.test(frame.summary);
        for (let each = 0; isData && each < pending.length;) {
          if (pending[each].lane === lane) step.events.push(...pending.splice(each, 1).map(({ event: one }) => one));
          else each += 1;
        }
      } else {
        last.set(lane, step);
      }
      steps.push(step);
    } else if (line !== undefined) {
      steps.push({ at, lane: "guest", note: line, events: [] });
    } else if (event.event !== "qmp") {
      const lane = event.event === "harness" || event.event === "note" ? "guest" : laneOf(event.event ?? "");
      const before = last.get(lane);
      if (isSilence(event)) steps.push({ at, lane, silence: true, note: event.why ?? event.event, events: [event] });
      else if (lane === "guest") steps.push({ at, lane, note: event.note ?? event.text ?? "", harness: true, events: [event] });
      else if (isOurs(event)) pending.push({ lane, event });
      else if (before && at - before.at < 50_000) before.events.push(event);
      else steps.push({ at, lane, note: words(event.event ?? ""), events: [event] });
    }
  }
  return steps;
};
const words = (name) => name.replace(/[-_]/g, " ");

// Frames that only keep a connection going.
const isPlain = (step) => step.frame && !step.events.length && /^TCP /.test(step.frame.summary)
  && !/"|\[[^\]]*(SYN|FIN|RST)/.test(step.frame.summary);
