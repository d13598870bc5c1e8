import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import * as path from "node:path"
import { type Disk, disk } from "../../src/internal/disk.ts"
import * as PrivateFile from "../../src/internal/privateFile.ts"
import { contents, modeOf, temporary } from "../support/directories.ts"
import * as FaultyDisk from "../support/FaultyDisk.ts"

const isRoot = process.getuid?.() === 0

const setup = Effect.gen(function* () {
  const parent = yield* temporary
  const real = yield* disk
  const directory = path.join(parent, "store")
  return { parent, real, directory, files: PrivateFile.make(real, directory) }
})

const textOf = (files: PrivateFile.PrivateFiles, name: string) =>
  Effect.map(files.read(name), (read) => Option.getOrNull(Option.map(read, ({ text }) => text)))

const reasonOf = <A>(effect: Effect.Effect<A, PrivateFile.FileError>) =>
  Effect.map(Effect.either(effect), (result) => (Either.isLeft(result) ? result.left.reason : "none"))

const temporaries = (directory: string) => fs.readdirSync(directory).filter((name) => name.endsWith(".tmp"))

const withUmask =
  (umask: number) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.acquireUseRelease(
      Effect.sync(() => process.umask(umask)),
      () => effect,
      (before) => Effect.sync(() => process.umask(before))
    )

describe("a private file", () => {
  it.scoped("is none before it is written, reads as written, and is none once removed", () =>
    Effect.gen(function* () {
      const { directory, files } = yield* setup
      assert.strictEqual(yield* textOf(files, "a"), null)
      assert.deepStrictEqual(yield* files.names, [])
      assert.isFalse(fs.existsSync(directory))
      assert.isTrue(yield* files.replace("a", "ä\0"))
      assert.strictEqual(yield* textOf(files, "a"), "ä\0")
      assert.deepStrictEqual(yield* files.names, ["a"])
      yield* files.remove("a")
      yield* files.remove("a")
      assert.strictEqual(yield* textOf(files, "a"), null)
      assert.deepStrictEqual(contents(directory), {})
    })
  )

  it.scoped("is not written again when nothing is new (S186)", () =>
    Effect.gen(function* () {
      const { directory, files } = yield* setup
      yield* files.replace("a", "text")
      const before = fs.statSync(path.join(directory, "a"))
      assert.isFalse(yield* files.replace("a", "text"))
      assert.strictEqual(fs.statSync(path.join(directory, "a")).ino, before.ino)
    })
  )

  it.scoped("is durable before it is in place: written, synced, renamed, and the directory synced (S148, S173)", () =>
    Effect.gen(function* () {
      const { directory, files, real } = yield* setup
      yield* files.replace("a", "old")
      const recording = FaultyDisk.make(real)
      yield* PrivateFile.make(recording.disk, directory).replace("a", "new")
      assert.deepStrictEqual(recording.log.slice(-9), [
        "opendir store",
        "create .a.tmp",
        "fchmod .a.tmp",
        "write .a.tmp",
        "fsync .a.tmp",
        "close .a.tmp",
        "rename a",
        "fsync store",
        "close store"
      ])
    })
  )

  it.scopedLive.skipIf(process.platform !== "linux")("gives back the room of what was there before (S187)", () =>
    Effect.gen(function* () {
      const { directory, files } = yield* setup
      const replaced = () =>
        fs.readdirSync("/proc/self/fd").filter((file) => {
          try {
            return fs.readlinkSync(`/proc/self/fd/${file}`).startsWith(`${directory}/a`)
          } catch {
            return false
          }
        })
      for (let n = 0; n < 20; n++) yield* files.replace("a", `text ${n}`)
      while (replaced().length > 0) yield* Effect.sleep("1 millis")
      assert.strictEqual(yield* textOf(files, "a"), "text 19")
    })
  )

  it.scoped(
    "takes the place of whatever is there, whether or not it can be opened, and of nothing if it is not there",
    () =>
      Effect.gen(function* () {
        const { parent, real } = yield* setup
        const at = (name: string) => path.join(parent, name)
        const places: Readonly<Record<string, () => void>> = {
          nothing: () => {},
          file: () => fs.writeFileSync(at("file"), "old"),
          link: () => fs.symlinkSync(at("elsewhere"), at("link"))
        }
        for (const [name, place] of Object.entries(places)) {
          place()
          fs.writeFileSync(at("new"), name)
          yield* real.rename(at("new"), at(name))
          assert.isTrue(fs.lstatSync(at(name)).isFile())
          assert.strictEqual(fs.readFileSync(at(name), "utf8"), name)
          assert.strictEqual(yield* Effect.flip(real.rename(at("new"), at(name))), "ENOENT")
        }
        assert.deepStrictEqual(fs.readdirSync(parent).sort(), ["file", "link", "nothing"])
      })
  )

  for (const errno of ["EINVAL", "ENOTSUP", "EPERM"]) {
    it.scoped(`is written where a directory has nothing to sync: ${errno} (S173)`, () =>
      Effect.gen(function* () {
        const { directory, files, real } = yield* setup
        yield* files.replace("a", "old")
        const odd: Disk = {
          ...real,
          openDirectory: (path) =>
            Effect.map(real.openDirectory(path), (file) => ({ ...file, sync: Effect.fail(errno) }))
        }
        assert.isTrue(yield* PrivateFile.make(odd, directory).replace("a", "new"))
        assert.strictEqual(yield* textOf(files, "a"), "new")
      })
    )
  }

  it.scoped("waits a moment for whoever is in the way of the renaming, and not for ever (S174)", () =>
    Effect.gen(function* () {
      const { directory, real } = yield* setup
      let left = 2
      const busy = (errno: string, times: number): Disk => ({
        ...real,
        rename: (from, to) => Effect.suspend(() => (left++ < times ? Effect.fail(errno) : real.rename(from, to)))
      })
      for (const errno of ["EPERM", "EBUSY"]) {
        left = 0
        assert.isTrue(yield* PrivateFile.make(busy(errno, 2), directory).replace("a", errno))
      }
      left = 0
      assert.strictEqual(
        yield* reasonOf(PrivateFile.make(busy("EBUSY", 1e9), directory).replace("a", "x")),
        "Unavailable"
      )
      assert.strictEqual(left, 21)
      left = 0
      assert.strictEqual(
        yield* reasonOf(PrivateFile.make(busy("EXDEV", 1e9), directory).replace("a", "x")),
        "Unavailable"
      )
      assert.strictEqual(left, 1)
      assert.deepStrictEqual(contents(directory), { a: "EBUSY" })
    })
  )

  it.scoped("is kept if the last look before the renaming finds what should not be there (S172)", () =>
    Effect.gen(function* () {
      const { directory, files, real } = yield* setup
      yield* files.replace("a", "old")
      const others = PrivateFile.make(real, directory)
      const interrupted: Disk = {
        ...real,
        create: (where) => Effect.zipLeft(real.create(where), Effect.orDie(others.replace("a", "of somebody else")))
      }
      const seen: Array<string> = []
      const result = yield* Effect.either(
        PrivateFile.make(interrupted, directory).replace("a", "new", (present) => {
          seen.push(Option.getOrThrow(present).text)
          return seen.at(-1) === "old" ? Effect.void : Effect.fail("Conflict" as const)
        })
      )
      assert.isTrue(Either.isLeft(result))
      assert.strictEqual(seen.at(-1), "of somebody else")
      assert.deepStrictEqual(contents(directory), { a: "of somebody else" })
    })
  )
})

describe("a private file, whatever fails at whatever moment", () => {
  const faults: ReadonlyArray<FaultyDisk.Fault> = [
    ...["ENOSPC", "EDQUOT", "EFBIG", "EIO", "EACCES", "EMFILE", "EROFS"].map((errno) => ({
      how: "fails" as const,
      errno
    })),
    { how: "stops before" },
    { how: "stops after" }
  ]
  for (const before of [null, "old"]) {
    for (const fault of faults) {
      const what = fault.how === "fails" ? `${fault.errno}` : `power ${fault.how}`
      it.scoped(
        `is ${before === null ? "none" : "the old"} or the new one, never neither: ${what} (S162, S164, S173)`,
        () =>
          Effect.gen(function* () {
            const parent = yield* temporary
            const real = FaultyDisk.unsynced(yield* disk)
            let at = 0
            let reached = true
            const outcomes = new Set<string | null>()
            for (; reached; at++) {
              const directory = path.join(parent, `${at}`, "store")
              const sound = PrivateFile.make(real, directory)
              fs.mkdirSync(path.join(parent, `${at}`))
              if (before !== null) yield* sound.replace("a", before)
              yield* sound.replace("other", "untouched")
              const faulty = FaultyDisk.make(real, at, fault)
              const result = yield* Effect.either(PrivateFile.make(faulty.disk, directory).replace("a", "new"))
              reached = faulty.log.length > at
              assert.strictEqual(faulty.open.size, 0)
              const after = yield* textOf(sound, "a")
              outcomes.add(after)
              assert.include([before, "new"], after, `${what} at ${faulty.log[at]}`)
              // What was said to be written is.
              if (Either.isRight(result)) assert.strictEqual(after, "new")
              else assert.notInclude(result.left.description, "new")
              assert.strictEqual(yield* textOf(sound, "other"), "untouched")
              if (fault.how === "fails") {
                // What cannot be removed is left for the next start.
                assert.deepStrictEqual(temporaries(directory), [], `${what} at ${faulty.log[at]}`)
              } else assert.isAtMost(temporaries(directory).length, 1)
              for (const name of fs.readdirSync(directory))
                assert.strictEqual(modeOf(path.join(directory, name)) & 0o077, 0)
              // The next start works, whatever was left.
              assert.isTrue(yield* PrivateFile.make(real, directory).replace("a", "next"))
              assert.strictEqual(yield* textOf(sound, "a"), "next")
            }
            assert.isAbove(at, 10)
            assert.deepStrictEqual(outcomes, new Set([before, "new"]))
          })
      )
    }
  }

  it.scoped("is what it was while its directory is made, wherever that stops", () =>
    Effect.gen(function* () {
      const parent = yield* temporary
      const real = FaultyDisk.unsynced(yield* disk)
      let reached = true
      for (let at = 0; reached; at++) {
        const directory = path.join(parent, `${at}`, "deep", "store")
        const faulty = FaultyDisk.make(real, at, { how: "stops after" })
        yield* Effect.either(PrivateFile.make(faulty.disk, directory).replace("a", "new"))
        reached = faulty.log.length > at
        const sound = PrivateFile.make(real, directory)
        assert.include([null, "new"], yield* textOf(sound, "a"))
        yield* sound.replace("a", "next")
        assert.strictEqual(modeOf(directory), 0o700)
      }
    })
  )

  it.scoped("what a killed process left is swept once it is old, and nothing else is (S162)", () =>
    Effect.gen(function* () {
      const { directory, files, real } = yield* setup
      yield* files.replace("a", "old")
      const left = (name: string, seconds: number) => {
        fs.writeFileSync(path.join(directory, name), "left")
        fs.utimesSync(path.join(directory, name), seconds, seconds)
      }
      const now = Math.floor(fs.statSync(path.join(directory, "a")).mtimeMs / 1000)
      left(".a.0123456789abcdef.tmp", now - 90)
      left(".b.0123456789abcdef.tmp", now - 61)
      left(".a.fedcba9876543210.tmp", now - 30)
      left(".mine.tmp", now - 1000)
      left("a.corrupt-1", now - 1000)
      yield* PrivateFile.make(real, directory).replace("a", "new")
      assert.deepStrictEqual(fs.readdirSync(directory).sort(), [
        ".a.fedcba9876543210.tmp",
        ".mine.tmp",
        "a",
        "a.corrupt-1"
      ])
      assert.sameMembers([...(yield* files.names)], [".mine.tmp", "a"])
      yield* files.remove("a")
      assert.deepStrictEqual(fs.readdirSync(directory), [".mine.tmp"])
    })
  )
})

describe("who may see a private file", () => {
  for (const umask of [0o000, 0o022, 0o077]) {
    it.scoped(`nobody else, from the first byte, with umask ${umask.toString(8).padStart(3, "0")} (S165)`, () =>
      Effect.gen(function* () {
        const { directory, parent, real } = yield* setup
        const modes: Array<number> = []
        const watching: Disk = {
          ...real,
          create: (where) => Effect.tap(real.create(where), () => Effect.sync(() => modes.push(modeOf(where)))),
          rename: (from, to) =>
            Effect.suspend(() => {
              modes.push(modeOf(from))
              return real.rename(from, to)
            })
        }
        const deep = path.join(directory, "deep")
        const files = PrivateFile.make(watching, deep)
        yield* files.replace("a", "old")
        fs.chmodSync(path.join(deep, "a"), 0o644)
        yield* files.replace("a", "new")
        assert.strictEqual(modeOf(path.join(deep, "a")), 0o600)
        assert.deepStrictEqual([deep, directory, parent].map(modeOf), [0o700, 0o700, 0o700])
        assert.deepStrictEqual(modes, [0o600, 0o600, 0o600, 0o600])
      }).pipe(withUmask(umask))
    )
  }

  it.scoped("nobody else: looser modes are mended, or refused where that is wanted (S165)", () =>
    Effect.gen(function* () {
      const { directory, files, real } = yield* setup
      yield* files.replace("a", "text")
      fs.chmodSync(path.join(directory, "a"), 0o640)
      fs.chmodSync(directory, 0o755)
      const strict = PrivateFile.make(real, directory, "refuse")
      assert.strictEqual(yield* reasonOf(strict.read("a")), "Permissions")
      assert.strictEqual(yield* reasonOf(strict.replace("a", "new")), "Permissions")
      assert.strictEqual(modeOf(directory), 0o755)
      assert.strictEqual(yield* textOf(files, "a"), "text")
      assert.strictEqual(modeOf(directory), 0o700)
      assert.strictEqual(modeOf(path.join(directory, "a")), 0o600)
      assert.strictEqual(yield* textOf(strict, "a"), "text")
      fs.chmodSync(path.join(directory, "a"), 0o604)
      assert.strictEqual(yield* reasonOf(strict.read("a")), "Permissions")
    })
  )

  for (const mode of [0o770, 0o702, 0o777]) {
    it.scoped(`a directory that others can write to is refused: ${mode.toString(8)} (S165)`, () =>
      Effect.gen(function* () {
        const { directory, files } = yield* setup
        yield* files.replace("a", "text")
        fs.chmodSync(directory, mode)
        for (const operation of [
          files.read("a"),
          files.replace("a", "x"),
          files.remove("a"),
          files.names,
          files.setAside("a")
        ]) {
          assert.strictEqual(yield* reasonOf<unknown>(operation), "Permissions")
        }
        assert.deepStrictEqual(contents(directory), { a: "text" })
        assert.strictEqual(modeOf(directory), mode)
      })
    )
  }
})

describe("links", () => {
  it.scoped("in the place of a file are refused, and what they lead to is left alone (S166)", () =>
    Effect.gen(function* () {
      const { directory, files, parent } = yield* setup
      const victim = path.join(parent, "victim")
      fs.writeFileSync(victim, "victim", { mode: 0o644 })
      fs.chmodSync(victim, 0o644)
      yield* files.ensure
      for (const target of [victim, path.join(parent, "nothing")]) {
        fs.symlinkSync(target, path.join(directory, "a"))
        assert.strictEqual(yield* reasonOf(files.read("a")), "Permissions")
        assert.strictEqual(yield* reasonOf(files.replace("a", "x")), "Permissions")
        assert.strictEqual(fs.readlinkSync(path.join(directory, "a")), target)
        yield* files.remove("a")
      }
      assert.strictEqual(fs.readFileSync(victim, "utf8"), "victim")
      assert.strictEqual(modeOf(victim), 0o644)
      assert.isFalse(fs.existsSync(path.join(parent, "nothing")))
      assert.deepStrictEqual(fs.readdirSync(directory), [])
    })
  )

  it.scoped("that appear at the last moment are replaced, not followed (S166)", () =>
    Effect.gen(function* () {
      const { directory, parent, real } = yield* setup
      const victim = path.join(parent, "victim")
      fs.writeFileSync(victim, "victim")
      const racing: Disk = {
        ...real,
        create: (where) =>
          Effect.suspend(() => {
            fs.symlinkSync(victim, path.join(directory, "a"))
            return real.create(where)
          })
      }
      assert.isTrue(yield* PrivateFile.make(racing, directory).replace("a", "new"))
      assert.isTrue(fs.lstatSync(path.join(directory, "a")).isFile())
      assert.strictEqual(fs.readFileSync(victim, "utf8"), "victim")
    })
  )

  it.scoped("at a name that is to be made are not written through (S166)", () =>
    Effect.gen(function* () {
      const { directory, parent, real } = yield* setup
      const victim = path.join(parent, "victim")
      fs.writeFileSync(victim, "victim")
      for (const target of [victim, path.join(parent, "nothing")]) {
        const guessing: Disk = {
          ...real,
          create: (where) =>
            Effect.suspend(() => {
              fs.symlinkSync(target, where)
              return real.create(where)
            })
        }
        assert.strictEqual(yield* reasonOf(PrivateFile.make(guessing, directory).replace("a", "new")), "Unavailable")
      }
      assert.strictEqual(fs.readFileSync(victim, "utf8"), "victim")
      assert.isFalse(fs.existsSync(path.join(parent, "nothing")))
    })
  )

  it.scoped("in the place of the directory are refused (S166)", () =>
    Effect.gen(function* () {
      const { directory, files, parent } = yield* setup
      const elsewhere = path.join(parent, "elsewhere")
      fs.mkdirSync(elsewhere, { mode: 0o755 })
      fs.symlinkSync(elsewhere, directory)
      assert.strictEqual(yield* reasonOf(files.read("a")), "Permissions")
      assert.strictEqual(yield* reasonOf(files.replace("a", "x")), "Permissions")
      assert.deepStrictEqual(fs.readdirSync(elsewhere), [])
    })
  )

  it.scoped("a second name of the file keeps what it had (S166)", () =>
    Effect.gen(function* () {
      const { directory, files, parent } = yield* setup
      yield* files.replace("a", "old")
      fs.linkSync(path.join(directory, "a"), path.join(parent, "second"))
      yield* files.replace("a", "new")
      assert.strictEqual(fs.readFileSync(path.join(parent, "second"), "utf8"), "old")
    })
  )
})

describe("what is no private file", () => {
  it.scoped("is corrupt, and can be set aside: a directory, wrong bytes, too many of them (S167)", () =>
    Effect.gen(function* () {
      const { directory, files, real } = yield* setup
      yield* files.ensure
      const at = (name: string) => path.join(directory, name)
      fs.mkdirSync(at("directory"))
      fs.writeFileSync(at("bytes"), new Uint8Array([0x7b, 0xff, 0xfe, 0x7d]))
      fs.writeFileSync(at("long"), "")
      fs.truncateSync(at("long"), 1e9)
      const recording = FaultyDisk.make(real)
      const watched = PrivateFile.make(recording.disk, directory)
      for (const name of ["directory", "bytes", "long"]) {
        assert.strictEqual(yield* reasonOf(watched.read(name)), "Corrupt", name)
        assert.strictEqual(yield* files.setAside(name), `${name}.corrupt-1`)
        assert.strictEqual(yield* textOf(files, name), null)
      }
      assert.isFalse(recording.log.includes("read long"))
      assert.strictEqual(modeOf(at("bytes.corrupt-1")), 0o600)
      assert.deepStrictEqual(yield* files.names, [])
      for (const name of ["directory", "bytes", "long"]) yield* files.remove(name)
      assert.deepStrictEqual(fs.readdirSync(directory), [])
    })
  )

  it.scoped("is kept three times, the oldest goes (S167, S182)", () =>
    Effect.gen(function* () {
      const { directory, files } = yield* setup
      for (let n = 1; n <= 5; n++) {
        yield* files.replace("a", `text ${n}`)
        fs.chmodSync(path.join(directory, "a"), 0o644)
        assert.strictEqual(yield* files.setAside("a"), `a.corrupt-${n}`)
        assert.strictEqual(modeOf(path.join(directory, `a.corrupt-${n}`)), 0o600)
      }
      assert.deepStrictEqual(contents(directory), {
        "a.corrupt-3": "text 3",
        "a.corrupt-4": "text 4",
        "a.corrupt-5": "text 5"
      })
    })
  )

  for (const errno of ["EMFILE", "EACCES", "EIO", "EINTR", "ENFILE", "EUNKNOWN"]) {
    it.scoped(`only what is not there is none: ${errno} is an error, wherever it happens (S168)`, () =>
      Effect.gen(function* () {
        const { directory, files, real } = yield* setup
        yield* files.replace("a", "old")
        let reached = true
        for (let at = 0; reached; at++) {
          const faulty = FaultyDisk.make(real, at, { how: "fails", errno })
          const result = yield* Effect.either(PrivateFile.make(faulty.disk, directory).read("a"))
          reached = faulty.log.length > at
          if (reached) {
            assert.isTrue(Either.isLeft(result), `${errno} at ${faulty.log[at]}`)
            if (Either.isLeft(result)) {
              assert.include(result.left.description, `${errno} on ${directory}`)
              assert.notStrictEqual(result.left.reason, "Corrupt")
            }
          }
          assert.strictEqual(faulty.open.size, 0)
        }
      })
    )
  }

  it.scoped("a path through a file, too long a name, and a parent that is a file: all said (S177)", () =>
    Effect.gen(function* () {
      const { directory, files, parent, real } = yield* setup
      fs.writeFileSync(path.join(parent, "file"), "text")
      for (const where of [
        path.join(parent, "file"),
        path.join(parent, "file", "store"),
        path.join(parent, "x".repeat(300))
      ]) {
        assert.strictEqual(yield* reasonOf(PrivateFile.make(real, where).read("a")), "Unavailable")
        assert.strictEqual(yield* reasonOf(PrivateFile.make(real, where).replace("a", "x")), "Unavailable")
      }
      assert.strictEqual(yield* reasonOf(files.read("x".repeat(300))), "none")
      yield* files.ensure
      assert.strictEqual(yield* reasonOf(files.read("x".repeat(300))), "Unavailable")
      assert.deepStrictEqual(contents(directory), {})
    })
  )
})

describe.skipIf(!isRoot)("another user's files, for root", () => {
  it.scoped("stay that user's, whatever root writes there; what root makes is the user's too (S176)", () =>
    Effect.gen(function* () {
      const { parent, real } = yield* setup
      const home = path.join(parent, "home")
      fs.mkdirSync(home, { mode: 0o700 })
      fs.chownSync(home, 65534, 65534)
      const directory = path.join(home, "state", "store")
      const files = PrivateFile.make(real, directory)
      yield* files.replace("a", "old")
      yield* files.replace("a", "new")
      for (const where of [directory, path.dirname(directory), path.join(directory, "a")]) {
        const { gid, uid } = fs.statSync(where)
        assert.deepStrictEqual([uid, gid], [65534, 65534], where)
      }
      fs.chownSync(path.join(directory, "a"), 0, 0)
      yield* files.replace("a", "root's own")
      assert.strictEqual(fs.statSync(path.join(directory, "a")).uid, 0)
      fs.chownSync(path.join(directory, "a"), 1234, 1234)
      assert.strictEqual(yield* reasonOf(files.read("a")), "Permissions")
      assert.strictEqual(yield* reasonOf(files.replace("a", "x")), "Permissions")
      assert.strictEqual(fs.readFileSync(path.join(directory, "a"), "utf8"), "root's own")
    })
  )
})

describe("another user's files", () => {
  it.scoped("are refused and left alone, the directory as well as what is in it (S175)", () =>
    Effect.gen(function* () {
      const { directory, files, real } = yield* setup
      yield* files.replace("a", "text")
      const me = real.uid!
      // The same disk, seen by somebody else than it belongs to.
      const foreign = PrivateFile.make({ ...real, uid: me + 1 }, directory)
      for (const operation of [
        foreign.read("a"),
        foreign.replace("a", "x"),
        foreign.remove("a"),
        foreign.names,
        foreign.setAside("a")
      ]) {
        const result = yield* Effect.either<unknown, PrivateFile.FileError, never>(operation)
        assert.isTrue(Either.isLeft(result))
        if (Either.isLeft(result)) {
          assert.strictEqual(result.left.reason, "Permissions")
          assert.include(result.left.description, `${directory} belongs to user ${me}`)
        }
      }
      assert.deepStrictEqual(contents(directory), { a: "text" })
    })
  )
})
