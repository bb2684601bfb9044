/** All words of the page. To translate it, translate this file and `lang` in index.html. */
import type { Failure } from "./judge.worker";
import type { Outcome } from "./faces/usable";
import type { Note } from "./pixels/decode";
import type { Answer, Strength } from "./model/verdict";

const percent = (share: number) => `${(share * 100).toFixed(share < 0.0995 ? 1 : 0)}%`;
const signed = (value: number) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
const capital = (words: string) => words.charAt(0).toUpperCase() + words.slice(1);

interface Said {
  what: (detail: string) => string;
  remedy: string;
}

const failures: Record<Failure["reason"], Said> = {
  insecure: {
    what: () => "The page was opened over an unprotected connection",
    remedy: "Open it over https, or on this machine as http://127.0.0.1",
  },
  changed: {
    what: (name) => `${name} is not the file that the page was built with`,
    remedy: "Build the page again, and serve all of its files",
  },
  missing: {
    what: (name) => `${name} cannot be loaded`,
    remedy: "Check that the page is still being served, then load it again",
  },
  schema: {
    what: (found) => `The bundle has another schema or pixel contract (${found})`,
    remedy: "Build page and bundle with the same version",
  },
  pixels: {
    what: () => "This browser changes the pixels that a page reads, so that verdicts would be wrong",
    remedy: "Allow canvas data for this page, or take another browser",
  },
  engine: {
    what: (detail) => `The model cannot run in this browser (${detail})`,
    remedy: "Update the browser, or take another",
  },
  test: {
    what: (detail) => `The self-test failed on this browser (${detail})`,
    remedy: "Take another browser, and report this one",
  },
  type: {
    what: () => "It is no JPEG, PNG, WebP, BMP or AVIF picture",
    remedy: "Save it as JPEG or PNG",
  },
  animated: {
    what: () => "It is an animation",
    remedy: "Judge it with gazeclip verify --frames",
  },
  damaged: { what: () => "It is damaged, or this browser cannot read it", remedy: "Get it again" },
  bytes: { what: () => "It has more than 256 MB", remedy: "Save it as JPEG, or downscale it" },
  large: {
    what: () => "It has more than 120 megapixels",
    remedy: "Downscale it",
  },
  fault: {
    what: (detail) => `The program failed (${detail})`,
    remedy: "Load the page again, and report it if it happens again",
  },
};

const outcomes: Record<Outcome, { what: string; remedy: string; short: string }> = {
  no_face: {
    what: "No face found",
    remedy: "Use a photograph that shows the face larger, or say that the pictures are face crops",
    short: "no face",
  },
  too_small: {
    what: "Its face is too small to be judged",
    remedy: "Use a larger photograph; enlarging this one adds nothing",
    short: "too small",
  },
  cut_off: {
    what: "Its face is cut off at the edge",
    remedy: "Use a photograph that shows the whole face",
    short: "cut off",
  },
  turned_away: {
    what: "Its face is turned away",
    remedy: "Use a photograph taken more from the front",
    short: "turned away",
  },
  blurred: {
    what: "Its face is blurred",
    remedy: "Use a sharper photograph",
    short: "blurred",
  },
};

const notes: Record<Exclude<Note, null>, string> = {
  profile: "its colour profile was left to the browser, which converts to sRGB",
  deep: "more than 8 bits a colour; the browser has rounded them",
};

const answers: Record<Answer, string> = {
  real: "Real",
  fake: "Fake",
  inconclusive: "Inconclusive",
};

/** One sentence: how strong the evidence is, and for what. */
function sayEvidence(llr: number, strength: Strength): string {
  if (strength === "none") return "The evidence speaks neither for a forgery nor against one.";
  const times = Math.exp(Math.abs(llr));
  const ratio = times < 10 ? times.toFixed(1) : Math.round(times).toLocaleString("en");
  const [one, other] = llr > 0 ? ["a forgery", "a real face"] : ["a real face", "a forgery"];
  return (
    `${capital(strength)} evidence for ${one}: scores like these are ${ratio} times more likely ` +
    `from ${one} than from ${other}.`
  );
}

function sayGaze(pitch: number, yaw: number): string {
  const degrees = (angle: number) => `${Math.round(Math.abs(angle) * (180 / Math.PI))}°`;
  const up = pitch >= 0 ? "up" : "down";
  // as the onlooker sees it: a positive yaw looks to the picture's left
  const side = yaw >= 0 ? "left" : "right";
  return `Gaze, roughly: ${degrees(pitch)} ${up}, ${degrees(yaw)} to the picture's ${side}`;
}

const sayThreads = (count: number) => (count === 1 ? "1 thread" : `${count} threads`);

const stages: Record<string, string> = {
  decode: "decode",
  detect: "find faces",
  inference: "judge",
  post: "decide",
};

export const text = {
  failures,
  outcomes,
  notes,
  answers,
  percent,
  signed,
  sayEvidence,
  sayGaze,
  title: "Is this face real?",
  promise: "Pictures are judged on this device, and never leave it.",
  state: {
    loading: "Loading the model and testing it in this browser …",
    refused: "This page judges nothing here.",
    ready: (n: number, ms: number) =>
      `Ready. The self-test on ${n} golden images passed after ${(ms / 1000).toFixed(1)} s.`,
  },
  choice: {
    measuring: "Trying which file is fastest in this browser …",
    usedHere: (file: string, threads: number, fastest: boolean) => {
      const way = `Judges with the ${file} file in ${sayThreads(threads)}`;
      return fastest ? `${way}: the fastest that was measured here.` : `${way}.`;
    },
    later: (file: string, threads: number) =>
      `The fastest, ${file} in ${sayThreads(threads)}, takes its place when the results are cleared.`,
    left: "Which is fastest was not measured; the next start tries again.",
    failed: (files: string[]) => `Not used, as it cannot judge here: ${files.join(", ")}.`,
    again: "Measure again",
    caption: "Measured in this browser: medians in milliseconds",
    file: "File",
    threads: "Threads",
    judge: "Judge a face",
    find: "Find faces",
    used: (file: string) => `${file} (in use)`,
    ms: (value: number) => value.toFixed(1),
  },
  update: { said: "A new version of this page is there.", load: "Load it" },
  choose: {
    heading: "Choose pictures",
    drop: "Drop pictures here, paste them, or",
    files: "choose files",
    camera: "use the camera",
    kind: "The pictures are",
    face: "photographs: find the faces",
    whole: "face crops: judge them as they are",
  },
  camera: {
    heading: "Camera",
    take: "Take a picture",
    cancel: "Cancel",
    none: "The camera cannot be used. Allow it for this page, or choose files.",
    name: (n: number) => `camera-${n}.png`,
  },
  pasted: (n: number) => `pasted-${n}.png`,
  threshold: {
    heading: "Threshold",
    label: "False alarms among real faces that are accepted",
    stop: (name: string, rate: number | null) =>
      rate === null ? name : `at most ${percent(rate)}`,
    limits: (point: string, from: number, below: number) =>
      `${point}: fake from LLR ${signed(from)}, real below ${signed(below)}, between them inconclusive.`,
    unreliable: (bound: number, n: number) =>
      `The bundle's ${n} calibration faces show no more than that false alarms are below ${percent(bound)}.`,
    unreliableMisses: (bound: number, n: number) =>
      `Its ${n} forged calibration faces show no more than that misses are below ${percent(bound)}.`,
  },
  results: {
    heading: "Results",
    none: "Nothing was judged yet.",
    working: (name: string) => `Judging ${name} …`,
    save: "Save as JSON",
    clear: "Clear",
    file: "verdicts.json",
    photo: (name: string) => `The picture ${name}`,
    faces: (n: number) => `Faces found: ${n}. Choose one:`,
    face: (n: number, answer: string) => `Face ${n}: ${answer}`,
    unjudged: (short: string) => `not judged: ${short}`,
    unjudgedFaces: (all: string) => `Other faces that were not judged: ${all}.`,
    noVerdict: "No verdict",
    said: (name: string, what: string) => `${name}: ${what}`,
  },
  verdict: {
    llr: "LLR",
    scale: (llr: number, below: number, from: number) =>
      `LLR ${signed(llr)} on a scale on which below ${signed(below)} is real and from ${signed(from)} on is fake`,
    elsewhere: "At the other thresholds",
    madeBy: "If it is a forgery, what made it",
    seen: "What the model saw, with its gaze",
    seenAlone: "What the model saw",
    latency: (timings: Record<string, number>) =>
      Object.entries(timings)
        .map(([stage, ms]) => `${stages[stage] ?? stage} ${ms.toFixed(ms < 10 ? 1 : 0)} ms`)
        .join(", "),
    note: (note: string) => `Note: ${note}.`,
  },
  heat: {
    show: "Show what the model reacts to",
    hide: "Hide what the model reacts to",
    cancel: "Cancel",
    progress: "Parts of the face that were tried",
    working: "Covering the parts of the face one after another …",
    cancelled: "Cancelled.",
    failed: "It could not be computed.",
    label: "The face in grey, coloured where covering a part changes the evidence",
    forged: "speaks for a forgery",
    genuine: "speaks for a real face",
    /** `x` and `y` from 0 (left, top) to 1. */
    region: (x: number, y: number) => {
      const third = (share: number) => Math.min(2, Math.floor(share * 3));
      const rows = ["upper", "middle", "lower"];
      const columns = ["left", "middle", "right"];
      const [row, column] = [rows[third(y)], columns[third(x)]];
      return row === column ? "middle" : `${row} ${column}`;
    },
    peak: (region: string, value: number) =>
      `What matters most lies in the ${region} of the picture: covering it ` +
      `${value > 0 ? "lowers" : "raises"} the LLR by ${Math.abs(value).toFixed(2)}.`,
    nothing: "No part matters by itself: covering any of them hardly changes the LLR.",
    meaning:
      "This shows what the model reacts to. It is no proof that something was forged there, and a " +
      "part without colour may be forged all the same.",
  },
  picture: {
    save: "Save as picture",
    failed: "The picture could not be drawn.",
    name: (file: string) => `${file.replace(/\.[^.]*$/, "")}-verdict.png`,
    madeBy: (title: string, share: number) =>
      `Of the known generators it resembles most: ${title} (${percent(share)}).`,
    file: (name: string, face: number | null) =>
      face === null ? `File: ${name}` : `File: ${name}, face ${face}`,
    model: (precision: string, digest: string, engine: string) =>
      `Model: GazeCLIP Edge ${precision}, bundle ${digest.slice(0, 16)}, ${engine}`,
    date: (date: Date) => `Judged: ${date.toISOString().slice(0, 16).replace("T", " ")} UTC`,
    limits: "Evidence, not proof. It compares the face with those that the model was trained on.",
  },
  meaning: {
    heading: "What the answer means, and what it does not",
    points: [
      "It compares the face with those that the model was trained on. Of pictures of another kind, or forgeries that nobody has shown it, it may be wrong at any threshold.",
      "The LLR (log-likelihood ratio) says how much more likely the model's scores are from a forgery than from a real face. It is not the probability of a forgery: that also depends on how common forgeries are where the picture comes from.",
      "“Real” means that little speaks for a forgery. It does not mean that the picture shows what is said of it: a real face may be cut out, staged or captioned wrongly.",
      "“Inconclusive” is an answer. More pictures of the same source may help; a lower threshold does not.",
      "The bars say which of the known generators a forgery resembles most. Another one may have made it.",
      "Saving, scaling and sending a picture destroys traces. Judge the best copy that there is.",
      "Content credentials (C2PA) that a picture may carry are not read here; gazeclip verify --provenance reads them.",
      "It is evidence, not proof. Do not decide about a person on it alone.",
    ],
  },
  card: { heading: "Model card of the bundle" },
  about: {
    heading: "This page",
    engine: "Engine",
    threads: "Threads",
    model: "Model",
    digest: "Bundle",
    test: "Self-test, largest differences",
    allowed: (found: string, most: number) => `${found} (allowed ${most})`,
  },
};
