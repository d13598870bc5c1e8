import { assert, beforeAll, describe, it } from "@effect/vitest"
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import * as Either from "effect/Either"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as timers from "node:timers/promises"
import { afterAll } from "vitest"
import * as Record from "../../src/internal/record.ts"
import * as Token from "../../src/Token.ts"
import { modeOf } from "../support/directories.ts"
import * as Program from "../support/program.ts"

/** How often a writing process is killed; `EFFECT_CREDENTIALS_KILLS=1000` for a long night. */
const kills = Number(process.env["EFFECT_CREDENTIALS_KILLS"] ?? 10)

const isRoot = process.getuid?.() === 0

let place: string
let use: string
let writer: string

beforeAll(async () => {
  // Other users must come through to it.
  place = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "effect-credentials-")))
  fs.chmodSync(place, 0o755)
  use = await Program.bundle("storeUse.ts", place)
  writer = await Program.bundle("storeWriter.ts", place)
}, 60_000)

afterAll(() => fs.rmSync(place, { recursive: true, force: true }))

/** Runs a program to its end and reads the JSON that it prints. */
const results = (file: string, args: ReadonlyArray<string>): ReadonlyArray<string> => {
  const { status, stderr, stdout } = spawnSync(file, args, { encoding: "utf8", timeout: 60_000 })
  assert.strictEqual(status, 0, stderr)
  return JSON.parse(stdout.trim().split("\n").at(-1)!)
}

const using = (directory: string, ...steps: ReadonlyArray<string>) => {
  const [file, args] = Program.commandOf(use)
  return results(file, [...args, directory, ...steps])
}

const privileges = ["--reuid=65534", "--regid=65534", "--clear-groups"]

/** The same as a user without any rights, who may not come to where the runtime is installed. */
const usingAsNobody = (directory: string, ...steps: ReadonlyArray<string>) => {
  const [file, args] = Program.commandOf(use)
  const home = path.join(place, "nobody")
  const runtime = path.join(home, path.basename(file))
  if (!fs.existsSync(runtime)) {
    fs.mkdirSync(home)
    fs.chownSync(home, 65534, 65534)
    fs.copyFileSync(file, runtime)
  }
  return results("setpriv", [
    ...privileges,
    "env",
    `HOME=${home}`,
    `DENO_DIR=${home}`,
    runtime,
    ...args,
    directory,
    ...steps
  ])
}

const canBeNobody = isRoot && spawnSync("setpriv", [...privileges, "true"]).status === 0
const canMount = spawnSync("unshare", ["-rm", "mount", "-t", "tmpfs", "none", "/mnt"]).status === 0

const started = (directory: string, keys: ReadonlyArray<string>): Promise<ChildProcess> =>
  new Promise((resolve, reject) => {
    const [file, args] = Program.commandOf(writer)
    const child = spawn(file, [...args, directory, ...keys], { stdio: ["ignore", "pipe", "inherit"] })
    child.stdout!.once("data", () => resolve(child))
    child.once("exit", (code) => reject(new Error(`the writer ended with ${code}`)))
  })

const killed = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    child.removeAllListeners("exit")
    child.once("exit", () => resolve())
    child.kill("SIGKILL")
  })

const temporariesIn = (directory: string) => fs.readdirSync(directory).filter((name) => name.endsWith(".tmp"))

/** Stops the process again and again until that is in the middle of writing. `child.kill` signals once only, on Deno. */
const stoppedWriting = async (child: ChildProcess, directory: string): Promise<void> => {
  do {
    process.kill(child.pid!, "SIGCONT")
    await timers.setTimeout(Math.random() * 3)
    process.kill(child.pid!, "SIGSTOP")
    await timers.setTimeout(1)
  } while (temporariesIn(directory).length === 0)
}

describe("a file store and kill -9", () => {
  it(`is whole after each of ${kills} kills in the middle of writing, and at every look between (S162, S163)`, async () => {
    const directory = path.join(place, "killed")
    const keys = ["a", "b", "c", "d"]
    const codec = Record.codec(Token.Token)
    const revisions = new Map<string, number>()
    let looks = 0
    let left = 0
    const look = () => {
      for (const name of fs.readdirSync(directory)) {
        assert.notInclude(name, "corrupt")
        if (!name.endsWith(".token")) continue
        looks++
        const { key, revision } = Either.getOrThrow(codec.decode(fs.readFileSync(path.join(directory, name), "utf8")))
        assert.isAtLeast(revision, revisions.get(key) ?? 1)
        revisions.set(key, revision)
      }
    }
    for (let n = 0; n < kills; n++) {
      const child = await started(directory, keys)
      const end = performance.now() + ((n * 7919) % 31)
      do {
        look()
        await new Promise((resolve) => setImmediate(resolve))
      } while (performance.now() < end)
      if (n === 0) await stoppedWriting(child, directory)
      await killed(child)
      look()
      // What was left counts as old from now on.
      const temporaries = temporariesIn(directory)
      assert.isAtMost(temporaries.length, keys.length)
      left += temporaries.length
      for (const name of temporaries) {
        assert.strictEqual(modeOf(path.join(directory, name)), 0o600)
        fs.utimesSync(path.join(directory, name), 1, 1)
      }
    }
    assert.strictEqual(revisions.size, keys.length)
    assert.isAtLeast(Math.min(...revisions.values()), kills)
    assert.isAbove(looks, kills * keys.length)
    // The first one at least was killed in the middle; the next start sweeps what is left.
    assert.isAbove(left, 0)
    assert.deepStrictEqual(using(directory, "put:1"), ["stored"])
    assert.deepStrictEqual(temporariesIn(directory), [])
  }, 600_000)
})

describe.skipIf(!canBeNobody)("two users", () => {
  it("one refuses the other's store and harms nothing; who may not read is told so, not that it is empty (S168, S175)", () => {
    const directory = path.join(place, "roots")
    assert.deepStrictEqual(using(directory, "put:1"), ["stored"])
    for (const result of usingAsNobody(directory, "get", "put:2", "remove")) {
      assert.match(result, /^Permissions: .*\/roots belongs to user 0, not to 65534/)
    }
    const theirs = path.join(place, "theirs")
    fs.mkdirSync(theirs, { mode: 0o700 })
    fs.chownSync(theirs, 65534, 65534)
    assert.deepStrictEqual(usingAsNobody(theirs, "put:1", "get"), ["stored", "1"])
    const name = fs.readdirSync(theirs).find((name) => name.endsWith(".token"))!
    fs.chmodSync(path.join(theirs, name), 0o000)
    for (const result of usingAsNobody(theirs, "get", "put:2")) assert.match(result, /^Permissions: EACCES on /)
    fs.chmodSync(path.join(theirs, name), 0o600)
    fs.chownSync(path.join(theirs, name), 0, 0)
    for (const result of usingAsNobody(theirs, "get", "put:2")) assert.match(result, /^Permissions: /)
    assert.deepStrictEqual(using(theirs, "get"), ["1"])
    assert.deepStrictEqual(using(directory, "get"), ["1"])
  })

  it("root writes in a user's store, and the user can go on (S176)", () => {
    const directory = path.join(place, "users")
    fs.mkdirSync(directory, { mode: 0o700 })
    fs.chownSync(directory, 65534, 65534)
    assert.deepStrictEqual(usingAsNobody(directory, "put:1"), ["stored"])
    assert.deepStrictEqual(using(directory, "get", "put:2"), ["1", "stored"])
    assert.deepStrictEqual(usingAsNobody(directory, "get", "put:3", "get"), ["2", "stored", "3"])
  })

  it("a directory that may not be written to is said to be so, and what is in it can be read (S168)", () => {
    const directory = path.join(place, "readonly")
    fs.mkdirSync(directory, { mode: 0o700 })
    fs.chownSync(directory, 65534, 65534)
    assert.deepStrictEqual(usingAsNobody(directory, "put:1"), ["stored"])
    fs.chmodSync(directory, 0o500)
    const [get, put] = usingAsNobody(directory, "get", "put:2")
    assert.strictEqual(get, "1")
    assert.match(put!, /^Permissions: /)
    const parent = path.join(place, "locked")
    fs.mkdirSync(parent, { mode: 0o755 })
    const [none, refused] = usingAsNobody(path.join(parent, "deep", "store"), "get", "put:1")
    assert.strictEqual(none, "null")
    assert.match(refused!, /^Permissions: EACCES on /)
    assert.deepStrictEqual(fs.readdirSync(parent), [])
  })
})

describe.skipIf(!canMount)("a full disk", () => {
  it("leaves what was stored as it was, says so, and nothing lies about (S164)", () => {
    const disk = path.join(place, "disk")
    fs.mkdirSync(disk)
    const [file, args] = Program.commandOf(use)
    const script = 'mount -t tmpfs -o size=128k none "$0" && "$@" && ls -A "$0/store"'
    const { status, stderr, stdout } = spawnSync(
      "unshare",
      [
        "-rm",
        "sh",
        "-c",
        script,
        disk,
        file,
        ...args,
        path.join(disk, "store"),
        "large:1",
        `fill:${disk}`,
        "large:2",
        "get",
        "put:3"
      ],
      { encoding: "utf8", timeout: 60_000 }
    )
    assert.strictEqual(status, 0, stderr)
    const [json, ...names] = stdout.trim().split("\n")
    const [first, second, third] = JSON.parse(json!)
    assert.strictEqual(first, "stored")
    assert.match(second, /^Unavailable: ENOSPC on .*the disk is full; make room$/)
    assert.strictEqual(third, "1")
    assert.deepStrictEqual(
      names.filter((name) => /tmp$|corrupt/.test(name)),
      []
    )
  })
})
