// Starts the fairlead binary that this very commit vouches for: downloads it and
// checks it against release.json beside this file, or builds it from the action's
// own checkout. Node 24, no dependencies. A wrong checksum is the end, never a
// reason to try something else.
"use strict";
const crypto = require("node:crypto");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const zlib = require("node:zlib");
const { spawn, spawnSync } = require("node:child_process");

const root = path.dirname(__dirname); // the action's checkout, never the workspace
const exe = process.platform === "win32" ? ".exe" : "";
const goos = { win32: "windows" }[process.platform] || process.platform;
const goarch = { x64: "amd64" }[process.arch] || process.arch;

class Fatal extends Error {}

const escape = (s) => String(s).replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
const say = (text) => console.log(`fairlead: ${String(text).replaceAll(/[\r\n]+/g, " ")}`);
const sum = (bytes) => crypto.createHash("sha256").update(bytes).digest("hex");

// vouch ends everything unless the bytes are those that this commit knows.
function vouch(bytes, sha256, from) {
  if (sum(bytes) === sha256) return bytes;
  throw new Fatal(`${from} has the SHA-256 ${sum(bytes)}, this commit of the action vouches for ${sha256}. ` +
    "Somebody changed it on the way or at its source; nothing was started.");
}

// download gets a release asset, three times at most. It needs no token and sends none.
async function download(url) {
  const proxied = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"].some((k) => process.env[k]);
  if (proxied && typeof require("node:http").setGlobalProxyFromEnv === "function") {
    require("node:http").setGlobalProxyFromEnv(); // fetch ignores proxy variables otherwise
  }
  let last;
  for (const wait of [0, 1000, 3000]) {
    await new Promise((done) => setTimeout(done, wait));
    try {
      const answer = await fetch(url, { signal: AbortSignal.timeout(60_000), redirect: "follow" });
      if (answer.ok) return Buffer.from(await answer.arrayBuffer());
      last = `${url} answered ${answer.status}`;
      if (answer.status < 500 && answer.status !== 429 && answer.status !== 408) break;
    } catch (e) {
      last = `${url}: ${(e.cause && e.cause.message) || e.message}`;
    }
  }
  say(`${last}; trying to build from source`);
  return null;
}

// released puts the binary of the release that release.json names at bin, and
// says whether there is one. What is checked is the private copy that will run:
// nobody can exchange it after the check.
async function released(manifest, bin) {
  const asset = manifest.assets[`${goos}/${goarch}`];
  if (!manifest.tag || !asset) return false;
  const cache = process.env.RUNNER_TOOL_CACHE && path.join(process.env.RUNNER_TOOL_CACHE, "fairlead", manifest.tag, goarch, "fairlead" + exe);
  if (cache && fs.existsSync(cache)) {
    try {
      fs.copyFileSync(cache, bin);
      if (sum(fs.readFileSync(bin)) === asset.binary) {
        fs.chmodSync(bin, 0o755);
        return true;
      }
      say(`${cache} is not what this commit vouches for; it is not used`);
    } catch (e) {
      say(`${cache}: ${e.message}`);
    }
    fs.rmSync(bin, { force: true });
  }
  const mirror = (process.env.FAIRLEAD_MIRROR || "https://github.com").replace(/\/+$/, "");
  const url = `${mirror}/${manifest.repository}/releases/download/${manifest.tag}/${asset.name}`;
  const bytes = await download(url);
  if (!bytes) return false;
  vouch(bytes, asset.sha256, url);
  fs.writeFileSync(bin, zlib.gunzipSync(bytes, { maxOutputLength: 512 << 20 }), { mode: 0o755, flag: "wx" });
  const binary = vouch(fs.readFileSync(bin), asset.binary, bin);
  if (cache) {
    try { // best effort: the next step on this machine finds it
      fs.mkdirSync(path.dirname(cache), { recursive: true });
      const part = `${cache}.${process.pid}.${crypto.randomBytes(4).toString("hex")}`;
      fs.writeFileSync(part, binary);
      fs.renameSync(part, cache);
    } catch { /* a read-only tool cache */ }
  }
  return true;
}

// build makes the binary from the action's own checkout, in an environment that
// no variable of the job can bend (-toolexec, another GOPROXY configuration file).
function build(manifest, to) {
  const clean = { ...process.env, GOFLAGS: "", GOENV: "off", GOWORK: "off", GOTOOLCHAIN: "local", CGO_ENABLED: "0" };
  const args = ["build", "-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags=-s -w -buildid=", "-o", to, "./cmd/fairlead"];
  const go = spawnSync("go", args, { cwd: root, env: clean, encoding: "utf8" });
  if (!go.error && go.status === 0) return;
  const why = go.error ? `go is not on PATH (${go.error.code})` : go.stderr.trim();
  const source = manifest.tag ? `the binary of ${manifest.tag} for ${goos}/${goarch} could not be had` : "this commit is no release, so there is no binary for it";
  throw new Fatal(`${source}, and building it failed: ${why}\nThree ways out: let the runner reach github.com; ` +
    "set FAIRLEAD_MIRROR to a server with the release assets; or run actions/setup-go before this step.");
}

// obtain returns the path of a private, executable copy of the binary.
async function obtain() {
  const manifest = JSON.parse(fs.readFileSync(path.join(__dirname, "release.json"), "utf8"));
  const temp = process.env.RUNNER_TEMP || os.tmpdir();
  const dir = fs.mkdtempSync(path.join(temp, "fairlead-"));
  const bin = path.join(dir, "fairlead" + exe);
  if (!(await released(manifest, bin))) {
    if (!manifest.tag) say("building from source: this commit is no release (pin one for a faster start)");
    build(manifest, bin);
  }
  return { bin, dir };
}

// start runs the tool. The child is asynchronous, so that a cancelled job's
// signals reach it and it can clean up in the seconds that the runner leaves.
function start({ bin, dir }, tool) {
  // The handlers come first: a signal may arrive while the child starts.
  let child = null;
  let early = null;
  for (const signal of ["SIGINT", "SIGTERM"]) {
    process.on(signal, () => (child ? child.kill(signal) : (early = signal)));
  }
  child = spawn(bin, [tool], { stdio: "inherit" });
  if (early) child.kill(early);
  const end = (code) => {
    fs.rmSync(dir, { recursive: true, force: true });
    process.exit(code);
  };
  child.on("error", (e) => {
    const hint = e.code === "EACCES" ? ` (is RUNNER_TEMP, ${path.dirname(dir)}, mounted noexec?)` : "";
    console.log(`::error title=fairlead::${escape(`starting ${bin}: ${e.message}${hint}`)}`);
    end(1);
  });
  child.on("exit", (code, signal) => end(signal ? 128 + os.constants.signals[signal] : code));
}

exports.main = async (tool) => {
  try {
    start(await obtain(), tool);
  } catch (e) {
    console.log(`::error title=fairlead::${escape(e instanceof Fatal ? e.message : e.stack)}`);
    process.exitCode = 1;
  }
};
