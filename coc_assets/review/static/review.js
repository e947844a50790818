// The review page. Everything that comes from a label is set as text, never as markup.
"use strict";

const CHECKS = {
  causal_coverage: "Causal coverage",
  correctness: "Correctness",
  proximate_cause: "Proximate cause",
  minimality: "Minimality",
};
const CHECK_HINTS = {
  causal_coverage: "every factor that bears on the decision is named",
  correctness: "decision and factors are right",
  proximate_cause: "the first cause named is the nearest one",
  minimality: "nothing is named that does not bear on the decision",
};
const PARTS = ["perception", "prediction", "planning", "justification"];
const CHOICES = ["longitudinal_decision", "lateral_decision", "lateral_direction", "scenario"];
const MARKS = { true: "yes", false: "no", null: "–" };
const DONE = { keep: "Kept", reject: "Rejected", edit: "Edited" };
const STEP_S = 0.1;
const TRACK_GAP_S = 0.6; // boxes further apart in time are not joined
const COLOURS = { blue: "#1f5f9e", red: "#b3261e", amber: "#b45309", grey: "#8592a0", line: "#d5dce3", ink: "#1b2733", quiet: "#566573" };

const $ = (id) => document.getElementById(id);
const state = {
  queue: null, place: 0, page: null, checks: {}, shownAt: 0, time: 0, playing: false, revealed: false,
  decided: [], // label ids in the order of deciding, for undo
  pages: new Map(), turn: 0, busy: false, editing: null,
};

// ---- making elements ------------------------------------------------------------------------------------------------

function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  return fill(element, properties, children);
}

function draw(tag, properties = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), properties, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") element.textContent = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const words = (name) => (name === null || name === undefined ? "none" : String(name).replaceAll("_", " "));
const signed = (seconds) => {
  const tenths = Math.round(seconds * 10);
  return `${tenths < 0 ? "−" : tenths > 0 ? "+" : ""}${(Math.abs(tenths) / 10).toFixed(1)} s`;
};

// ---- talking to the server ------------------------------------------------------------------------------------------

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { credentials: "same-origin", ...options });
  } catch {
    throw { message: "The server does not answer. Is `coc review` still running? Nothing was kept." };
  }
  const said = await answer.json().catch(() => ({ error: `The server failed (${answer.status}).` }));
  if (!answer.ok) throw { message: said.error, problems: said.problems || null };
  return said;
}

function alarm(message) {
  $("alarm").textContent = message || "";
  $("alarm").hidden = !message;
}

let toastTimer = 0;
function toast(message) {
  $("toast").textContent = message;
  $("toast").classList.add("on");
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => $("toast").classList.remove("on"), 2600);
}

// ---- going from label to label --------------------------------------------------------------------------------------

async function start() {
  if (location.search) history.replaceState(null, "", location.pathname + location.hash); // the token is in the cookie now
  try {
    state.queue = await ask("/api/queue");
  } catch (error) {
    return alarm(error.message);
  }
  $("reviewer").textContent = state.queue.reviewer;
  const named = state.queue.labels.findIndex((one) => `#${one.label_id}` === location.hash);
  const open = state.queue.labels.findIndex((one) => !one.decision);
  await show(named >= 0 ? named : Math.max(open, 0));
  if (open < 0) toast("Every label of this sample is decided. Decisions can still be changed.");
}

function load(place) {
  const { label_id } = state.queue.labels[place];
  if (!state.pages.has(label_id)) {
    const page = ask(`/api/labels/${label_id}`);
    page.catch(() => state.pages.delete(label_id));
    state.pages.set(label_id, page);
  }
  return state.pages.get(label_id);
}

async function show(place) {
  if (place < 0 || place >= state.queue.labels.length) return;
  const turn = ++state.turn;
  state.place = place;
  leave_edit();
  let page;
  try {
    page = await load(place);
  } catch (error) {
    if (turn !== state.turn) return;
    state.page = null;
    render_progress();
    $("label").replaceChildren(make("p", { class: "done", text: error.message }));
    return alarm(error.message);
  }
  if (turn !== state.turn) return;
  alarm("");
  state.page = page;
  state.checks = Object.fromEntries(state.queue.checklist.map((name) => [name, page.mine ? page.mine[name] : null]));
  $("note").value = (page.mine && page.mine.note) || "";
  history.replaceState(null, "", `#${page.label_id}`);
  render_progress();
  render_label();
  render_checklist();
  render_pictures();
  render_bev();
  render_charts();
  seek(0);
  state.shownAt = performance.now();
  document.body.dataset.label = page.label_id;
  if (place + 1 < state.queue.labels.length) load(place + 1).then(warm, () => {});
}

function warm(page) {
  page.pictures.frames_s.forEach((_, number) => { new Image().src = frame_url(page, number); });
}

function next_open() {
  const labels = state.queue.labels;
  const order = [...labels.keys()].map((step) => (state.place + 1 + step) % labels.length);
  const place = order.find((one) => !labels[one].decision);
  if (place === undefined) {
    show(state.place);
    toast("Every label of this sample is decided.");
  } else show(place);
}

function render_progress() {
  const { labels } = state.queue;
  const decided = labels.filter((one) => one.decision).length;
  $("progress-fill").style.width = `${(100 * decided) / labels.length}%`;
  $("progress").setAttribute("aria-valuenow", decided);
  $("progress").setAttribute("aria-valuemax", labels.length);
  $("progress-text").textContent = `${decided} of ${labels.length} decided`;
  const one = labels[state.place];
  $("where").textContent = `label ${state.place + 1} · chunk ${one.chunk} · drawn for ${one.stratum}`;
  $("where").title = $("where").textContent;
  $("mine").hidden = !one.decision;
  $("mine").textContent = one.decision ? `you: ${one.decision}` : "";
  $("mine").className = `chip ${one.decision || ""}`;
  $("back").disabled = state.place === 0;
  $("next").disabled = state.place === labels.length - 1;
  $("undo").disabled = !state.decided.length && !one.decision;
}

// ---- the label ------------------------------------------------------------------------------------------------------

function render_label() {
  const { label, keyframe, verdict, measurements, mine, others } = state.page;
  const said = (mine && mine.edited) || label;
  $("label").scrollTop = 0;
  $("label").replaceChildren(
    ...[
      head(label, keyframe, verdict),
      mine && mine.edited ? make("p", { class: "quiet", text: "As you edited it:" }) : null,
      decisions(said),
      make("p", { class: "trace", text: said.trace || "This label has no trace." }),
      make("div", {}, make("h2", { text: "Components, most important first" }), components(said.components)),
      make("div", { class: "block" }, make("h2", { text: "Four parts" }), parts(said)),
      make("div", { class: "block" }, verdict_block(verdict), figures(measurements, verdict)),
      others.length ? make("div", { class: "block" }, make("h2", { text: "Others decided" }), others_list(others)) : null,
    ].filter(Boolean),
  );
}

function head(label, keyframe, verdict) {
  return make("div", { class: "chips" },
    make("span", { class: `chip ${verdict.verdict || ""}`, text: verdict.verdict ? `verdict ${verdict.verdict}` : "not judged" }),
    make("span", { class: "chip", text: `labeler ${label.labeler}`, title: `${label.prompt_version} ${label.model || ""}` }),
    make("span", { class: "chip", text: words(label.scenario) }),
    make("span", { class: "chip", text: `keyframe: ${words(keyframe.action)}`, title: keyframe.keyframe_id }));
}

function decisions(label) {
  const side = label.lateral_direction ? ` ${label.lateral_direction}` : "";
  return make("div", { class: "chips" },
    make("span", { class: "chip decision", text: `longitudinal: ${words(label.longitudinal_decision)}` }),
    make("span", { class: "chip decision", text: `lateral: ${words(label.lateral_decision)}${side}` }));
}

function seen(component) {
  if (component.seen_from_us === null) return "no seen window";
  const { t0_us } = state.page.keyframe;
  const since = (us) => signed((us - t0_us) / 1e6);
  return t0_us === null ? "" : `seen ${since(component.seen_from_us)} to ${since(component.seen_to_us)}`;
}

function components(list) {
  if (!list.length) return make("p", { class: "quiet", text: "None named." });
  return make("ol", { class: "components" }, ...list.map((one) => make("li", {},
    make("span", { class: `rank ${one.track_id ? "" : "untracked"}`, text: one.rank }),
    make("div", {},
      make("div", {}, make("strong", { text: words(one.category) }), ` ${one.phrase}`),
      make("div", { class: "quiet", text: [
        one.track_id ? `track ${one.track_id}` : "no track", seen(one),
        ...one.attributes.map((pair) => `${pair.key}: ${pair.value}`),
      ].join(" · ") })))));
}

function parts(label) {
  return make("dl", { class: "parts" },
    ...PARTS.flatMap((name) => [make("dt", { text: words(name) }), make("dd", { text: label[name] || "–" })]));
}

function verdict_block(verdict) {
  const list = verdict.reasons.map((reason) => make("li", {},
    make("strong", { text: words(reason.rule) }),
    `${reason.verdict ? ` → ${reason.verdict}` : ""}${reason.hint ? `: ${reason.hint}` : ""}`,
    reason.condition ? make("span", { class: "quiet", text: ` (${reason.condition})` }) : null));
  return make("div", {},
    make("h2", {}, `Verdict of the instruments: ${verdict.verdict || "none"} `,
      make("span", { class: "quiet", text: verdict.policy || "" })),
    list.length ? make("ul", { class: "reasons" }, ...list) : make("p", { class: "quiet", text: "No rule of the policy fires." }));
}

function figures(measurements, verdict) {
  const fired = new Set(verdict.reasons.map((reason) => reason.rule));
  const is_fired = (one) => one.rules.some((rule) => fired.has(rule));
  const body = make("tbody", {});
  let instrument = null;
  for (const one of [...measurements].sort((a, b) => is_fired(b) - is_fired(a))) {
    const group = is_fired(one) ? "behind the verdict" : `${one.instrument} ${one.version}`;
    if (group !== instrument) body.append(make("tr", { class: "group" }, make("th", { colspan: 3, text: group })));
    instrument = group;
    body.append(make("tr", { class: is_fired(one) ? "fired" : "" },
      make("td", { text: is_fired(one) ? `${one.instrument}.${one.name}` : one.name }),
      make("td", { class: "value", text: one.value === null ? "–" : one.value }),
      make("td", { text: one.detail || "" })));
  }
  const table = make("table", {}, make("thead", {}, make("tr", {},
    make("th", { text: "figure" }), make("th", { text: "value" }), make("th", { text: "behind it" }))), body);
  return make("details", fired.size ? { open: true } : {}, make("summary", { text: `${measurements.length} measurements` }), table);
}

function others_list(others) {
  return make("ul", { class: "reasons" }, ...others.map((one) => make("li", {
    text: `${one.reviewer}: ${one.decision}${one.note ? ` — ${one.note}` : ""}` })));
}

function render_checklist() {
  $("checklist").replaceChildren(...state.queue.checklist.map((name, number) => {
    const mark = MARKS[state.checks[name]];
    return make("button", {
      class: `check ${mark === "–" ? "" : mark}`, type: "button", title: CHECK_HINTS[name],
      "aria-label": `${CHECKS[name]}: ${mark === "–" ? "not answered" : mark}`, onclick: () => toggle_check(number),
    }, make("kbd", { text: number + 1 }), CHECKS[name], make("b", { text: mark }));
  }));
}

function toggle_check(number) {
  const name = state.queue.checklist[number];
  const after = { null: true, true: false, false: null };
  state.checks[name] = after[state.checks[name]];
  render_checklist();
  $("checklist").children[number].focus();
}

// ---- pictures -------------------------------------------------------------------------------------------------------

const frame_url = (page, number) => `/media/${page.label_id}/frames/${number}.jpg`;

function render_pictures() {
  const { pictures, window_s } = state.page;
  const video = $("video");
  $("no-video").hidden = !pictures.problem;
  $("no-video").textContent = pictures.problem ? `No video. ${pictures.problem}` : "";
  video.hidden = Boolean(pictures.problem);
  if (pictures.problem) {
    video.removeAttribute("src");
    video.load();
  } else video.src = `/media/${state.page.label_id}/segment.mp4`;
  pause();
  const shown = pictures.frames_s.map((at_s, number) => ({ at_s, number }));
  const lost = pictures.missing_s.map((at_s) => ({ at_s, number: null }));
  const all = [...shown, ...lost].sort((a, b) => a.at_s - b.at_s);
  const strip = (list) => (list.length ? list.map(frame) : [make("p", { class: "quiet", text: "No frames." })]);
  $("history").replaceChildren(...strip(all.filter((one) => one.at_s <= 0)));
  $("future").replaceChildren(...strip(all.filter((one) => one.at_s > 0)));
  reveal(state.revealed);
  const slider = $("slider");
  [slider.min, slider.max] = window_s;
  place_t0_mark();
}

function frame({ at_s, number }) {
  const caption = signed(Math.round(at_s * 2) / 2);
  if (number === null) return make("span", { class: "frame lost", text: `${caption}: not filmed` });
  const at_t0 = Math.round(at_s * 2) === 0;
  return make("button", {
    class: `frame ${at_t0 ? "at-t0" : ""}`, "data-at": at_s, title: `frame of ${at_s.toFixed(2)} s`, onclick: () => seek(at_s),
  }, make("img", { src: frame_url(state.page, number), alt: `Frame at ${caption}` }), make("span", { text: at_t0 ? "t0" : caption }));
}

function reveal(on) {
  state.revealed = on;
  $("future-strip").classList.toggle("dim", !on);
  $("reveal").setAttribute("aria-pressed", on);
  $("reveal").firstChild.textContent = on ? "Dim " : "Reveal ";
}

function place_t0_mark() {
  const [from_s, to_s] = state.page.window_s;
  const thumb = 16; // the slider's knob does not reach over its ends
  const share = -from_s / (to_s - from_s);
  $("t0-mark").style.left = `calc(${thumb / 2}px + (100% - ${thumb}px) * ${share})`;
}

$("video").addEventListener("error", async () => {
  const page = state.page;
  if (!page || page.pictures.problem || !$("video").getAttribute("src")) return;
  const said = await ask(`/media/${page.label_id}/segment.mp4`).catch((error) => error.message);
  if (page !== state.page) return;
  $("video").hidden = true;
  $("no-video").hidden = false;
  $("no-video").textContent = `No video. ${typeof said === "string" ? said : "This browser cannot play it."}`;
});

// ---- time -----------------------------------------------------------------------------------------------------------

const has_video = () => state.page && !$("video").hidden && $("video").readyState > 0;
const video_time = (time_s) => time_s - state.page.pictures.begins_s;

function seek(time_s) {
  if (!state.page) return;
  const [from_s, to_s] = state.page.window_s;
  tell_time(Math.min(Math.max(time_s, from_s), to_s));
  aim_video();
}

function aim_video() {
  const video = $("video");
  if (!has_video()) return;
  const at = Math.min(Math.max(video_time(state.time), 0), Math.max(video.duration - 0.02, 0));
  if (Math.abs(video.currentTime - at) > 0.005) video.currentTime = at + 0.001; // just inside the frame that begins there
}

$("video").addEventListener("loadeddata", aim_video);

function tell_time(time_s) {
  state.time = time_s;
  $("slider").value = time_s;
  $("clock").textContent = Math.abs(time_s) < 0.05 ? "t0" : signed(time_s);
  const filmed = state.page.pictures.problem === null;
  $("phase").textContent = filmed ? (time_s > 0.005 ? "future" : "history") : "";
  $("phase").classList.toggle("future", time_s > 0.005);
  const frames = [...document.querySelectorAll(".frame[data-at]")];
  const now = frames.filter((one) => Number(one.dataset.at) <= time_s + 0.005).pop();
  frames.forEach((one) => one.classList.toggle("now", one === now));
  move_bev(time_s);
  move_cursor(time_s);
}

let played = 0;
function tick(now) {
  if (!state.playing) return;
  const [from_s, to_s] = state.page.window_s;
  if (has_video()) tell_time(Math.min($("video").currentTime + state.page.pictures.begins_s, to_s));
  else { // without video the clock runs by itself
    const after = state.time + (now - played) / 1000;
    tell_time(after > to_s ? from_s : after);
  }
  played = now;
  requestAnimationFrame(tick);
}

function play() {
  if (!state.page) return;
  state.playing = true;
  $("play").textContent = "❚❚";
  if (has_video()) $("video").play().catch(() => pause());
  played = performance.now();
  requestAnimationFrame(tick);
}

function pause() {
  state.playing = false;
  $("play").textContent = "▶";
  $("video").pause();
}

const step = (by_s) => { pause(); seek(Math.round((state.time + by_s) * 10) / 10); };

// ---- bird's-eye view ------------------------------------------------------------------------------------------------

// In the picture forward is up: a place (x forward, y left) is drawn at (−y, −x).
const along = (rows) => rows.map(([, x, y]) => `${(-y).toFixed(2)},${(-x).toFixed(2)}`).join(" ");

function render_bev() {
  const { scene } = state.page;
  const svg = $("bev");
  svg.replaceChildren();
  state.bev = null;
  if (!scene) return svg.append(draw("text", { x: 0, y: -20, "text-anchor": "middle", "font-size": 3, text: "The clip is gone." }));
  const rings = [20, 40, 60].map((radius) => draw("circle", { r: radius, fill: "none", stroke: COLOURS.line, "stroke-width": 0.25 }));
  const numbers = [20, 40, 60].map((radius) => draw("text", { x: 0.6, y: 2.4 - radius, "font-size": 2.2, fill: COLOURS.quiet, text: `${radius} m` }));
  const past = scene.ego.filter(([t]) => t <= 0.001);
  const future = scene.ego.filter(([t]) => t >= -0.001);
  const world = draw("g", {},
    draw("polyline", { points: along(past), fill: "none", stroke: COLOURS.blue, "stroke-width": 0.7 }),
    draw("polyline", { points: along(future), fill: "none", stroke: COLOURS.blue, "stroke-width": 0.6, "stroke-dasharray": "1.6 1.2", opacity: 0.75 }),
    draw("circle", { r: 0.8, fill: COLOURS.red }, draw("title", { text: "ego at t0" })));
  const boxes = [...scene.tracks].sort((a, b) => (a.rank ? 1 : 0) - (b.rank ? 1 : 0)).map((track) => {
    const group = draw("g", {}, ...track_shape(track));
    world.append(group);
    return { track, group };
  });
  const { front_m, rear_m, width_m } = scene.body;
  const ego = draw("g", {},
    draw("rect", { x: -width_m / 2, y: -front_m, width: width_m, height: front_m + rear_m, rx: 0.5, fill: COLOURS.blue, stroke: "#fff", "stroke-width": 0.2 }),
    draw("path", { d: `M${-width_m / 2 + 0.4} ${-front_m + 1.4} L0 ${-front_m + 0.5} L${width_m / 2 - 0.4} ${-front_m + 1.4}`, fill: "none", stroke: "#fff", "stroke-width": 0.3 }));
  svg.append(...rings, ...numbers, world, ego);
  state.bev = { world, boxes, ego: scene.ego };
  const cited = scene.tracks.filter((track) => track.rank).length;
  $("bev-caption").textContent = `ego up · ${scene.tracks.length} tracks, ${cited} cited`;
}

function track_shape(track) {
  const person = ["person", "rider", "stroller", "animal"].includes(track.class);
  const [length, width] = [Math.max(track.length_m || 1, 0.9), Math.max(track.width_m || 1, 0.9)];
  const fill = track.rank ? COLOURS.amber : person ? "#6b3fa0" : COLOURS.grey;
  const box = draw("rect", {
    x: -width / 2, y: -length / 2, width, height: length, rx: 0.35, fill, opacity: track.rank ? 1 : 0.75,
    stroke: track.rank ? "#5c2b02" : "#fff", "stroke-width": track.rank ? 0.35 : 0.15,
  }, draw("title", { text: `${track.class} ${track.id}${track.rank ? `, component ${track.rank}` : ""}` }));
  if (!track.rank) return [box];
  const halo = draw("circle", { r: Math.max(length, width) / 2 + 1.3, fill: "none", stroke: COLOURS.amber, "stroke-width": 0.5 });
  return [halo, box, draw("text", { "data-upright": true, "text-anchor": "middle", y: 0.9, "font-size": 2.6, "font-weight": 700, fill: "#fff", text: track.rank })];
}

function pose_at(rows, time_s) {
  if (!rows.length) return null;
  let after = rows.findIndex(([t]) => t >= time_s);
  if (after < 0) return time_s - rows[rows.length - 1][0] <= STEP_S ? rows[rows.length - 1] : null;
  if (after === 0) return rows[0][0] - time_s <= STEP_S ? rows[0] : null;
  const [a, b] = [rows[after - 1], rows[after]];
  if (b[0] - a[0] > TRACK_GAP_S) return null;
  const share = (time_s - a[0]) / (b[0] - a[0]);
  const turn = Math.atan2(Math.sin(b[3] - a[3]), Math.cos(b[3] - a[3]));
  return [time_s, a[1] + share * (b[1] - a[1]), a[2] + share * (b[2] - a[2]), a[3] + share * turn];
}

const degrees = (radians) => (radians * 180) / Math.PI;

function move_bev(time_s) {
  if (!state.bev) return;
  const ego = pose_at(state.bev.ego, time_s) || state.bev.ego[state.bev.ego.length - 1];
  if (!ego) return;
  const [, x, y, heading] = ego;
  state.bev.world.setAttribute("transform", `rotate(${degrees(heading)}) translate(${y} ${x})`);
  for (const { track, group } of state.bev.boxes) {
    const at = pose_at(track.boxes, time_s);
    group.setAttribute("visibility", at ? "visible" : "hidden");
    if (!at) continue;
    group.setAttribute("transform", `translate(${-at[2]} ${-at[1]}) rotate(${-degrees(at[3])})`);
    const text = group.querySelector("[data-upright]");
    if (text) text.setAttribute("transform", `rotate(${degrees(at[3] - heading)})`);
  }
}

// ---- charts ---------------------------------------------------------------------------------------------------------

const CHART = { width: 700, left: 74, right: 16, speed: [14, 92], acceleration: [112, 168], timeline: 180, row: 19 };
const AXES = ["longitudinal", "lateral", "lane"];
const ACTION_COLOURS = [
  [/deceleration|stop/, "#f3c5c0"], [/acceleration/, "#c3e3cd"], [/left/, "#cfdcf3"], [/right/, "#e3d3f0"], [/reverse/, "#f6dcb4"], [/./, "#e6eaee"],
];

function render_charts() {
  const { motion, timeline, window_s } = state.page;
  const svg = $("charts");
  const rows = AXES.filter((axis) => axis !== "lane" || timeline.some((span) => span.axis === "lane"));
  const height = CHART.timeline + rows.length * CHART.row + 18;
  svg.setAttribute("viewBox", `0 0 ${CHART.width} ${height}`);
  svg.replaceChildren();
  state.cursor = null;
  if (!motion) return svg.append(draw("text", { x: 20, y: 30, "font-size": 12, text: "The clip is not in the store any more." }));
  const [from_s, to_s] = window_s;
  const at = (time_s) => CHART.left + ((time_s - from_s) / (to_s - from_s)) * (CHART.width - CHART.left - CHART.right);
  state.chart = { at, from_s, to_s };
  const bottom = CHART.timeline + rows.length * CHART.row;
  if (motion.event_s) {
    const [begin, end] = motion.event_s.map((time_s) => at(Math.min(Math.max(time_s, from_s), to_s)));
    svg.append(draw("rect", { x: begin, y: 10, width: Math.max(end - begin, 0), height: bottom - 10, fill: "#fdf1dc" },
      draw("title", { text: "the manoeuvre that the keyframe was chosen for" })),
    draw("text", { x: begin + 3, y: 9, "font-size": 9.5, fill: COLOURS.amber, text: `event: ${words(state.page.keyframe.action)}` }));
  }
  svg.append(
    ...plot("speed, m/s", motion.t_s, motion.speed_mps, CHART.speed, at, COLOURS.blue),
    ...plot("accel., m/s²", motion.t_s, motion.acceleration_mps2, CHART.acceleration, at, "#15703a"),
    ...rows.flatMap((axis, number) => lane(axis, timeline, CHART.timeline + number * CHART.row, at)));
  for (let time_s = Math.ceil(from_s); time_s <= to_s; time_s++) {
    svg.append(draw("line", { x1: at(time_s), x2: at(time_s), y1: bottom, y2: bottom + 4, stroke: COLOURS.quiet }),
      draw("text", { x: at(time_s), y: bottom + 15, "text-anchor": "middle", "font-size": 10, fill: COLOURS.quiet, text: time_s === 0 ? "t0" : signed(time_s).replace(".0", "") }));
  }
  svg.append(draw("line", { x1: at(0), x2: at(0), y1: 10, y2: bottom, stroke: COLOURS.red, "stroke-width": 1.5 }));
  state.cursor = draw("line", { y1: 10, y2: bottom, stroke: COLOURS.ink, "stroke-width": 1, "stroke-dasharray": "3 2" });
  svg.append(state.cursor);
}

function plot(title, times, values, [top, bottom], at, colour) {
  const known = values.filter((value) => value !== null);
  let [low, high] = [Math.min(0, ...known), Math.max(1, ...known)];
  const y = (value) => bottom - ((value - low) / (high - low)) * (bottom - top);
  const path = times.map((time, number) => (values[number] === null ? "" : `${at(time).toFixed(1)},${y(values[number]).toFixed(1)}`)).filter(Boolean);
  const mark = (value) => draw("text", { x: CHART.left - 4, y: y(value) + 3.5, "text-anchor": "end", "font-size": 10, fill: COLOURS.quiet, text: tick_text(value) });
  return [
    draw("text", { x: 0, y: (top + bottom) / 2 + 3, "font-size": 10, fill: COLOURS.ink, text: title.split(",")[0] }),
    draw("text", { x: 0, y: (top + bottom) / 2 + 14, "font-size": 9, fill: COLOURS.quiet, text: title.split(",")[1] }),
    draw("line", { x1: CHART.left, x2: CHART.width - CHART.right, y1: y(0), y2: y(0), stroke: "#b9c3cd" }),
    mark(low), mark(high),
    draw("polyline", { points: path.join(" "), fill: "none", stroke: colour, "stroke-width": 1.8, "stroke-linejoin": "round" }),
  ];
}

function tick_text(value) {
  const text = value.toFixed(Math.abs(value) < 10 ? 1 : 0);
  return Number(text) === 0 ? "0" : text.replace("-", "−");
}

function lane(axis, timeline, top, at) {
  const name = draw("text", { x: 0, y: top + 12.5, "font-size": 10, fill: COLOURS.ink, text: axis });
  return [name, ...timeline.filter((span) => span.axis === axis).flatMap((span) => {
    const [x, width] = [at(span.from_s), at(span.to_s) - at(span.from_s)];
    const colour = ACTION_COLOURS.find(([pattern]) => pattern.test(span.action))[1];
    const box = draw("rect", { x: x + 0.5, y: top, width: Math.max(width - 1, 1), height: CHART.row - 3, rx: 3, fill: colour, stroke: "#b9c3cd", "stroke-width": 0.5 },
      draw("title", { text: `${words(span.action)} ${signed(span.from_s)} to ${signed(span.to_s)}` }));
    const room = Math.floor((width - 6) / 5.2);
    const text = words(span.action);
    return room < 4 ? [box] : [box, draw("text", { x: x + 4, y: top + 11.5, "font-size": 9.5, fill: COLOURS.ink, "pointer-events": "none", text: text.length > room ? `${text.slice(0, room - 1)}…` : text })];
  })];
}

function move_cursor(time_s) {
  if (!state.cursor) return;
  const x = state.chart.at(time_s);
  state.cursor.setAttribute("x1", x);
  state.cursor.setAttribute("x2", x);
}

$("charts").addEventListener("click", (event) => {
  if (!state.cursor) return;
  const box = $("charts").getBoundingClientRect();
  const x = ((event.clientX - box.left) / box.width) * CHART.width;
  const { from_s, to_s } = state.chart;
  seek(from_s + ((x - CHART.left) / (CHART.width - CHART.left - CHART.right)) * (to_s - from_s));
});

// ---- deciding -------------------------------------------------------------------------------------------------------

async function decide(decision, label = null, label_id = null) {
  if (state.busy || (!state.page && !label_id)) return null;
  state.busy = true;
  const id = label_id || state.page.label_id;
  const withdrawn = decision === "withdraw";
  const answer = withdrawn ? { decision } : {
    decision, ...state.checks, note: $("note").value || null, seconds: Math.round(performance.now() - state.shownAt) / 1000,
  };
  if (label) answer.label = label;
  try {
    await ask(`/api/labels/${id}/review`, {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(answer),
    });
  } catch (error) {
    if (!error.problems || !label) alarm(error.message);
    return error;
  } finally {
    state.busy = false;
  }
  alarm("");
  state.pages.delete(id);
  state.queue.labels.find((one) => one.label_id === id).decision = withdrawn ? null : decision;
  if (!withdrawn) state.decided.push(id);
  return null;
}

async function decide_and_go(decision) {
  if (!state.page) return;
  const failed = await decide(decision);
  if (failed) return;
  toast(`${DONE[decision]}. u takes it back.`);
  next_open();
}

async function undo() {
  const here = state.queue.labels[state.place];
  const last = here.decision ? here.label_id : state.decided.pop();
  if (!last) return toast("Nothing to take back.");
  state.decided = state.decided.filter((id) => id !== last);
  const failed = await decide("withdraw", null, last);
  if (failed) return;
  toast("Taken back; decide anew.");
  show(state.queue.labels.findIndex((one) => one.label_id === last));
}

// ---- editing --------------------------------------------------------------------------------------------------------

function enter_edit() {
  if (!state.page || state.editing) return;
  const { label, mine } = state.page;
  const now = structuredClone((mine && mine.edited) || label);
  state.editing = now;
  show_form(true);
  render_form();
  const first = $("edit").querySelector("[data-field=trace]");
  if (first) first.focus();
}

function leave_edit() {
  state.editing = null;
  show_form(false);
}

function show_form(on) {
  $("label").hidden = on;
  $("edit").hidden = !on;
  for (const id of ["keep", "reject", "edit-open"]) $(id).disabled = on;
}

function field(name, control) {
  control.id = `edit-${name}`;
  control.dataset.field = name;
  control.setAttribute("aria-describedby", `problem-${name}`);
  return make("div", { class: "field" },
    make("label", { for: control.id, text: words(name) }), control,
    make("span", { class: "problem", id: `problem-${name}`, "data-problem": name }));
}

function choice(options, value, on_change, none = true) {
  const control = make("select", { onchange: () => on_change(control.value || null) },
    ...(none ? [make("option", { value: "", text: "none" })] : []),
    ...options.map((one) => make("option", { value: one, text: words(one) })));
  control.value = value || "";
  return control;
}

function prose(value, rows, on_change) {
  const control = make("textarea", { rows, oninput: () => on_change(control.value) });
  control.value = value || "";
  return control;
}

function render_form() {
  const now = state.editing;
  const { choices } = state.queue;
  $("edit").replaceChildren(
    make("h2", { text: "Edit: becomes a label of its own; this one counts as not kept" }),
    make("p", { class: "problem", "data-problem": "label" }),
    field("trace", prose(now.trace, 3, (value) => { now.trace = value; })),
    ...CHOICES.map((name) => field(name, choice(choices[name], now[name], (value) => { now[name] = value; }))),
    make("fieldset", {}, make("legend", { text: "Components, most important first" }),
      ...now.components.map(component_row),
      make("button", { type: "button", id: "add-component", text: "Add a component", onclick: add_component })),
    ...PARTS.map((name) => field(name, prose(now[name], 2, (value) => { now[name] = value; }))),
    make("div", { class: "form-buttons" },
      make("button", { type: "submit", class: "save", text: "Save edit (Ctrl+Enter)" }),
      make("button", { type: "button", text: "Leave (Esc)", onclick: leave_edit })));
}

function component_row(one, number) {
  const now = state.editing.components;
  const phrase = make("input", { "data-field": `components.${number}.phrase`, "aria-label": `Phrase of component ${number + 1}`, oninput: () => { one.phrase = phrase.value; } });
  phrase.value = one.phrase;
  const category = choice(state.queue.choices.category, one.category, (value) => { one.category = value; }, false);
  category.setAttribute("aria-label", `Category of component ${number + 1}`);
  category.dataset.field = `components.${number}.category`;
  const swap = (other) => () => { [now[number], now[other]] = [now[other], now[number]]; render_form(); };
  const from = one.track_id ? `track ${one.track_id}, ${seen(one)}` : "no track";
  return make("div", { class: "component-row" }, category, make("span", { class: "from", text: from }),
    make("span", { class: "moves" },
      make("button", { type: "button", "aria-label": `Move component ${number + 1} up`, text: "↑", disabled: number === 0, onclick: swap(number - 1) }),
      make("button", { type: "button", "aria-label": `Move component ${number + 1} down`, text: "↓", disabled: number === now.length - 1, onclick: swap(number + 1) }),
      make("button", { type: "button", "aria-label": `Delete component ${number + 1}`, text: "✕", onclick: () => { now.splice(number, 1); render_form(); } })),
    phrase,
    make("span", { class: "problem", "data-problem": `components.${number}` }));
}

function add_component() {
  state.editing.components.push({
    category: "critical_object", phrase: "", attributes: [], track_id: null, seen_from_us: null, seen_to_us: null });
  render_form();
  $("edit").querySelector(`[data-field="components.${state.editing.components.length - 1}.phrase"]`).focus();
}

async function save_edit() {
  const now = state.editing;
  const content = Object.fromEntries([...CHOICES, "trace", ...PARTS].map((name) => [name, now[name]]));
  content.components = now.components.map(({ rank, ...rest }) => rest); // ranks follow from the order
  const failed = await decide("edit", content);
  if (!failed) {
    toast("Edited. u takes it back.");
    leave_edit();
    return next_open();
  }
  show_problems(failed);
}

function show_problems({ message, problems }) {
  $("edit").querySelectorAll("[data-problem]").forEach((place) => { place.textContent = ""; });
  $("edit").querySelectorAll(".wrong").forEach((control) => control.classList.remove("wrong"));
  if (!problems) return alarm(message);
  let first = null;
  for (const [name, problem] of Object.entries(problems)) {
    const control = $("edit").querySelector(`[data-field="${CSS.escape(name)}"]`);
    const place = $("edit").querySelector(`[data-problem="${CSS.escape(name)}"]`)
      || $("edit").querySelector(`[data-problem="${CSS.escape(name.split(".").slice(0, 2).join("."))}"]`)
      || $("edit").querySelector("[data-problem=label]");
    place.textContent = problem;
    if (control) control.classList.add("wrong");
    first = first || control;
  }
  if (first) first.focus();
}

// ---- keys and buttons -----------------------------------------------------------------------------------------------

const KEYS = {
  k: () => decide_and_go("keep"),
  r: () => decide_and_go("reject"),
  e: enter_edit,
  u: undo,
  j: () => show(state.place + 1),
  ArrowRight: () => show(state.place + 1),
  ArrowLeft: () => show(state.place - 1),
  " ": () => (state.playing ? pause() : play()),
  ",": () => step(-STEP_S),
  ".": () => step(STEP_S),
  0: () => { pause(); seek(0); },
  f: () => reveal(!state.revealed),
  n: () => $("note").focus(),
  "?": () => $("help").showModal(),
  1: () => toggle_check(0),
  2: () => toggle_check(1),
  3: () => toggle_check(2),
  4: () => toggle_check(3),
};

document.addEventListener("keydown", (event) => {
  if (!state.queue || $("help").open) return;
  const writing = event.target.matches("input:not([type=range]), textarea, select");
  if (event.key === "Escape") {
    if (writing && event.target.id === "note") event.target.blur();
    else if (state.editing) leave_edit();
    return;
  }
  if (state.editing && event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    return save_edit();
  }
  if (writing || state.editing || event.ctrlKey || event.metaKey || event.altKey) return;
  const on_button = event.target.matches("button, summary") && (event.key === " " || event.key === "Enter");
  const on_slider = event.target.matches("input[type=range]") && event.key.startsWith("Arrow");
  const act = KEYS[event.key];
  if (!act || on_button || on_slider || (event.repeat && "kreu".includes(event.key))) return;
  event.preventDefault();
  act();
});

$("keep").addEventListener("click", () => decide_and_go("keep"));
$("reject").addEventListener("click", () => decide_and_go("reject"));
$("edit-open").addEventListener("click", enter_edit);
$("undo").addEventListener("click", undo);
$("back").addEventListener("click", () => show(state.place - 1));
$("next").addEventListener("click", () => show(state.place + 1));
$("play").addEventListener("click", () => (state.playing ? pause() : play()));
$("step-back").addEventListener("click", () => step(-STEP_S));
$("step-on").addEventListener("click", () => step(STEP_S));
$("to-t0").addEventListener("click", () => { pause(); seek(0); });
$("slider").addEventListener("input", () => { pause(); seek(Number($("slider").value)); });
$("reveal").addEventListener("click", () => reveal(!state.revealed));
$("help-open").addEventListener("click", () => $("help").showModal());
$("help-close").addEventListener("click", () => $("help").close());
$("edit").addEventListener("submit", (event) => { event.preventDefault(); save_edit(); });

start();
