import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as fs from "node:fs"
import * as net from "node:net"
import * as path from "node:path"
import { type Disk, disk } from "../src/internal/disk.ts"
import * as PrivateFile from "../src/internal/privateFile.ts"
import * as ProcessLock from "../src/internal/processLock.ts"
import { modeOf, temporary } from "./support/directories.ts"
import * as FaultyDisk from "./support/FaultyDisk.ts"

const long = Duration.seconds(50)

/** Asserts that it is inside alone. */
const alone = () => {
  let inside = 0
  let entered = 0
  return {
    entered: () => entered,
    enter: <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.suspend(() => {
        entered++
        assert.strictEqual(++inside, 1, "two hold the lock")
        return Effect.ensuring(
          effect,
          Effect.sync(() => inside--)
        )
      })
  }
}

/** What is in a directory but the links of a lock. */
const rest = (directory: string) => fs.readdirSync(directory).filter((name) => !/^a\.lock(\.\d+)?$/.test(name))

const generations = (directory: string) => fs.readdirSync(directory).filter((name) => /^a\.lock\.\d+$/.test(name))

/** Holds the lock until it is told to let go. */
const hold = (lock: ProcessLock.ProcessLock, name = "a") =>
  Effect.gen(function* () {
    const held = yield* Deferred.make<void>()
    const over = yield* Deferred.make<void>()
    const holding = Effect.zipRight(Deferred.succeed(held, undefined), Deferred.await(over))
    const fiber = yield* Effect.fork(lock.withLock(name, long)(holding))
    yield* Effect.raceFirst(Deferred.await(held), Effect.zipRight(Fiber.join(fiber), Effect.never))
    return { fiber, letGo: Effect.zipRight(Deferred.succeed(over, undefined), Fiber.join(fiber)) }
  })

const setup = Effect.gen(function* () {
  const directory = yield* temporary
  const real = yield* disk
  /** As if it were another process. */
  const other = (on: Disk = real) => ProcessLock.makeOn(on, directory)
  return { directory, real, other }
})

/** A socket that nobody listens on any more, as a killed process leaves it. */
const deadSocket = (directory: string, name: string) =>
  Effect.async<void>((resume) => {
    const server = net.createServer()
    server.listen(path.join(directory, "listening"), () => {
      fs.renameSync(path.join(directory, "listening"), path.join(directory, name))
      server.close(() => resume(Effect.void))
    })
  })

const reasonOf = <A>(effect: Effect.Effect<A, ProcessLock.LockError>) =>
  Effect.map(Effect.either(effect), (result) => (Either.isLeft(result) ? result.left.reason : "none"))

describe("a lock among processes", () => {
  it.scopedLive("has one holder at a time, and everybody gets it", () =>
    Effect.gen(function* () {
      const { directory, other } = yield* setup
      const { enter, entered } = alone()
      yield* Effect.forEach(
        Array.from({ length: 8 }, () => other()),
        (lock) => Effect.replicateEffect(lock.withLock("a", long)(enter(Effect.sleep(0))), 10, { discard: true }),
        { concurrency: "unbounded", discard: true }
      )
      assert.strictEqual(entered(), 80)
      assert.deepStrictEqual(rest(directory), [])
      assert.deepStrictEqual(generations(directory), [])
    })
  )

  it.scopedLive("has fifty waiting without fifty connections to its holder", () =>
    Effect.gen(function* () {
      const { directory, other } = yield* setup
      const { enter, entered } = alone()
      const { letGo } = yield* hold(other())
      const waiting = yield* Effect.fork(
        Effect.forEach(Array.from({ length: 50 }), () => other().withLock("a", long)(enter(Effect.void)), {
          concurrency: "unbounded",
          discard: true
        })
      )
      yield* Effect.sleep("300 millis")
      assert.strictEqual(entered(), 0)
      yield* letGo
      yield* Fiber.join(waiting)
      assert.strictEqual(entered(), 50)
      assert.deepStrictEqual(rest(directory), [])
    })
  )

  it.scopedLive("is one of many: other names, and other directories, are not waited for", () =>
    Effect.gen(function* () {
      const { other } = yield* setup
      const { letGo } = yield* hold(other(), "a")
      assert.strictEqual(yield* other().withLock("b", Duration.zero)(Effect.succeed("b")), "b")
      const elsewhere = yield* setup
      assert.strictEqual(yield* elsewhere.other().withLock("a", Duration.zero)(Effect.succeed("a")), "a")
      yield* letGo
    })
  )

  it.scopedLive("goes round in the order of asking within a process", () =>
    Effect.gen(function* () {
      const { other } = yield* setup
      const lock = other()
      const { letGo } = yield* hold(lock)
      const order: Array<number> = []
      const waiting = yield* Effect.forEach([0, 1, 2, 3, 4], (n) =>
        Effect.tap(Effect.fork(lock.withLock("a", long)(Effect.sync(() => order.push(n)))), Effect.yieldNow())
      )
      yield* letGo
      yield* Fiber.joinAll(waiting)
      assert.deepStrictEqual(order, [0, 1, 2, 3, 4])
    })
  )

  it.scopedLive("is free after an end, a failure and an interruption", () =>
    Effect.gen(function* () {
      const { directory, other } = yield* setup
      const lock = other().withLock("a", long)
      assert.strictEqual(yield* lock(Effect.succeed(1)), 1)
      assert.strictEqual(yield* Effect.flip(lock(Effect.fail("no"))), "no")
      assert.isTrue(Exit.isFailure(yield* Effect.exit(lock(Effect.die("broken")))))
      const { fiber } = yield* hold(other())
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(yield* other().withLock("a", Duration.zero)(Effect.succeed(2)), 2)
      assert.deepStrictEqual(rest(directory), [])
    })
  )

  it.scopedLive("can be given up waiting for, at any moment", () =>
    Effect.gen(function* () {
      const { directory, other } = yield* setup
      const { letGo } = yield* hold(other())
      for (const after of [0, 1, 2, 4, 8]) {
        const waiting = yield* Effect.fork(other().withLock("a", long)(Effect.die("not held")))
        yield* Effect.sleep(after)
        assert.isTrue(
          Exit.match(yield* Fiber.interrupt(waiting), { onFailure: Cause.isInterruptedOnly, onSuccess: () => false })
        )
      }
      yield* letGo
      const { enter, entered } = alone()
      for (let after = 0; after < 12; after++) {
        const taking = yield* Effect.fork(other().withLock("a", long)(enter(Effect.sleep(1))))
        yield* Effect.sleep(after / 2)
        yield* Fiber.interrupt(taking)
        yield* other().withLock("a", long)(enter(Effect.void))
      }
      assert.isAtLeast(entered(), 12)
      assert.deepStrictEqual(rest(directory), [])
    })
  )

  it.scopedLive("is waited for no longer than the limit, which says what to do then (S156)", () =>
    Effect.gen(function* () {
      const { other } = yield* setup
      const { letGo } = yield* hold(other())
      const error = yield* Effect.flip(other().withLock("a", Duration.millis(50))(Effect.void))
      assert.strictEqual(error.reason, "LockTimeout")
      assert.include(error.description, "50ms")
      const queue = other()
      const both = [queue.withLock("a", Duration.millis(50)), queue.withLock("a", Duration.millis(50))]
      assert.deepStrictEqual(
        yield* Effect.forEach(both, (lock) => reasonOf(lock(Effect.void)), { concurrency: "unbounded" }),
        ["LockTimeout", "LockTimeout"]
      )
      yield* letGo
      assert.strictEqual(yield* reasonOf(other().withLock("a", Duration.zero)(Effect.void)), "none")
    })
  )

  it.scopedLive("is shown by sockets that only this user can use", () =>
    Effect.gen(function* () {
      const { directory, other } = yield* setup
      const { letGo } = yield* hold(other())
      const sockets = rest(directory)
      assert.strictEqual(sockets.length, 1)
      assert.match(sockets[0]!, /^[0-9a-f]{16}\.sock$/)
      assert.strictEqual(modeOf(path.join(directory, sockets[0]!)), 0o600)
      yield* letGo
    })
  )

  it.scopedLive("works in a directory whose path is too long for a socket", () =>
    Effect.gen(function* () {
      const { directory, real } = yield* setup
      const deep = path.join(directory, "d".repeat(100), "ä".repeat(60))
      fs.mkdirSync(deep, { recursive: true, mode: 0o700 })
      const other = () => ProcessLock.makeOn(real, deep)
      const { letGo } = yield* hold(other())
      assert.strictEqual(yield* reasonOf(other().withLock("a", Duration.millis(50))(Effect.void)), "LockTimeout")
      const { enter, entered } = alone()
      const waiting = yield* Effect.fork(
        Effect.forEach([other(), other(), other()], (lock) => lock.withLock("a", long)(enter(Effect.void)), {
          concurrency: "unbounded",
          discard: true
        })
      )
      yield* letGo
      yield* Fiber.join(waiting)
      assert.strictEqual(entered(), 3)
      assert.deepStrictEqual(rest(deep), [])
    })
  )

  it.scopedLive("is taken over from the dead, whose sockets go", () =>
    Effect.gen(function* () {
      const { directory, other } = yield* setup
      yield* deadSocket(directory, "0123456789abcdef.sock")
      yield* deadSocket(directory, "123456789abcdef0.sock")
      yield* deadSocket(directory, "23456789abcdef01.new")
      fs.symlinkSync("0123456789abcdef.sock.41", path.join(directory, "a.lock.41"))
      fs.symlinkSync("fedcba9876543210.sock.40", path.join(directory, "a.lock"))
      fs.symlinkSync("42", path.join(directory, "3456789abcdef012.new"))
      // Nobody looks for this one: its holder was killed before it was removed.
      fs.symlinkSync("edcba98765432100.sock.7", path.join(directory, "a.lock.7"))
      const { letGo } = yield* hold(other())
      assert.strictEqual(rest(directory).length, 1)
      assert.deepStrictEqual(generations(directory), ["a.lock.42"])
      yield* letGo
      assert.deepStrictEqual(rest(directory), [])
    })
  )

  for (const [what, errno] of [
    ["cannot be ended", "EIO"],
    ["is gone all at once", "ENOENT"]
  ] as const) {
    it.scopedLive(`is taken over from the dead by one, also if the link of the dead ${what} (S169)`, () =>
      Effect.gen(function* () {
        const { directory, other, real } = yield* setup
        yield* deadSocket(directory, "0123456789abcdef.sock")
        const dead = path.join(directory, "a.lock.1")
        fs.symlinkSync("0123456789abcdef.sock.1", dead)
        const odd: Disk = {
          ...real,
          rename: (from, to) => {
            if (from !== dead) return real.rename(from, to)
            return Effect.zipRight(errno === "ENOENT" ? real.unlink(dead) : Effect.void, Effect.fail(errno))
          }
        }
        const { letGo } = yield* hold(other(odd))
        for (let turn = 0; turn < 2; turn++) {
          assert.strictEqual(yield* reasonOf(other().withLock("a", Duration.millis(20))(Effect.void)), "LockTimeout")
        }
        yield* letGo
        yield* other().withLock("a", Duration.zero)(Effect.void)
        assert.deepStrictEqual(fs.readdirSync(directory), ["a.lock"])
      })
    )
  }

  it.scopedLive(
    "is no file that it protects: that is replaced under it again and again, and the lock itself never moves (S170)",
    () =>
      Effect.gen(function* () {
        const { directory, other, real } = yield* setup
        const { disk, log } = FaultyDisk.make(real)
        const lock = other(disk)
        const files = PrivateFile.make(disk, directory)
        const write = (text: string) => files.replace("a", text, () => Effect.void)
        yield* lock.withLock(
          "a",
          long
        )(
          Effect.gen(function* () {
            for (const text of ["1", "2", "3"]) {
              yield* write(text)
              const late = yield* Effect.either(other().withLock("a", Duration.zero)(Effect.void))
              assert.strictEqual(
                Either.match(late, { onLeft: ({ reason }) => reason, onRight: () => "taken" }),
                "LockTimeout"
              )
            }
          })
        )
        assert.strictEqual(fs.readFileSync(path.join(directory, "a"), "utf8"), "3")
        const renamed = log.filter((line) => line.startsWith("rename"))
        assert.isAtLeast(renamed.length, 3, log.join())
        assert.deepStrictEqual(
          renamed.filter((line) => line.includes(".lock.")),
          []
        )
      })
  )

  it.scopedLive("heals when somebody removed its files while nobody held it", () =>
    Effect.gen(function* () {
      const { directory, other } = yield* setup
      const enter = other().withLock("a", Duration.zero)(Effect.void)
      const remove = (name: RegExp) => {
        for (const file of fs.readdirSync(directory)) if (name.test(file)) fs.unlinkSync(path.join(directory, file))
      }
      for (const what of [/\d$/, /lock$/, /./]) {
        yield* Effect.replicateEffect(enter, 2)
        remove(what)
        const { letGo } = yield* hold(other())
        assert.strictEqual(yield* reasonOf(enter), "LockTimeout")
        yield* letGo
      }
    })
  )

  it.scopedLive("follows no link that it did not make", () =>
    Effect.gen(function* () {
      const { directory, other } = yield* setup
      const elsewhere = path.join(yield* temporary, "0123456789abcdef.sock")
      for (const [target, link] of [
        [elsewhere, "a.lock.1"],
        ["../etc", "b.lock"],
        ["0x1", "c.lock"]
      ] as const) {
        fs.symlinkSync(target, path.join(directory, link))
        assert.strictEqual(yield* reasonOf(other().withLock(link[0]!, Duration.zero)(Effect.void)), "Unavailable")
      }
    })
  )
})

/** A disk on which one operation waits: as if the process were stopped there. */
const sleepyDisk = (real: Disk, at: number) =>
  Effect.map(Effect.all([Deferred.make<void>(), Deferred.make<void>()]), ([asleep, awake]) => {
    const log: Array<string> = []
    const step =
      (what: string) =>
      <A, E>(operation: Effect.Effect<A, E>): Effect.Effect<A, E> =>
        Effect.suspend(() => {
          const isNow = log.length === at
          log.push(what)
          return isNow
            ? Effect.zipRight(Effect.zipRight(Deferred.succeed(asleep, undefined), Deferred.await(awake)), operation)
            : operation
        })
    const on: Disk = {
      ...real,
      chmod: (where, mode) => step("chmod")(real.chmod(where, mode)),
      names: (where) => step("readdir")(real.names(where)),
      openToRead: (where) => step("open")(real.openToRead(where)),
      readLink: (where) => step("readlink")(real.readLink(where)),
      rename: (from, to) => step("rename")(real.rename(from, to)),
      stat: (where) => step("stat")(real.stat(where)),
      symlink: (target, where) => step("symlink")(real.symlink(target, where)),
      unlink: (where) => step("unlink")(real.unlink(where))
    }
    return { on, log, asleep: Deferred.await(asleep), wake: Deferred.succeed(awake, undefined) }
  })

describe("whatever the interleaving", () => {
  it.scopedLive("who falls asleep while taking the lock does not wake up as its second holder (S169)", () =>
    Effect.gen(function* () {
      for (const turns of [0, 2]) {
        let steps = Infinity
        for (let at = 0; at < steps; at++) {
          const { directory, other, real } = yield* setup
          const { enter, entered } = alone()
          // A dead holder, so that taking over is slept through as well.
          yield* deadSocket(directory, "0123456789abcdef.sock")
          fs.symlinkSync("0123456789abcdef.sock.1", path.join(directory, "a.lock.1"))
          const { asleep, log, on, wake } = yield* sleepyDisk(real, at)
          const late = yield* Effect.fork(other(on).withLock("a", long)(enter(Effect.void)))
          const slept = yield* Effect.raceFirst(Effect.as(asleep, true), Effect.as(Fiber.await(late), false))
          if (!slept) {
            steps = log.length
            break
          }
          // If it holds the lock already, the others wait for it; else it waits for them.
          const others = yield* Effect.fork(
            Effect.replicateEffect(
              Effect.suspend(() => other().withLock("a", long)(enter(Effect.void))),
              turns,
              { discard: true }
            ).pipe(Effect.zipRight(other().withLock("a", long)(enter(Effect.zipRight(wake, Effect.sleep("5 millis"))))))
          )
          yield* Effect.raceFirst(Fiber.await(others), Effect.sleep("40 millis"))
          yield* wake
          yield* Fiber.join(late)
          yield* Fiber.join(others)
          assert.strictEqual(entered(), turns + 2)
          assert.deepStrictEqual(rest(directory), [], `${log[at]} at ${at}`)
        }
        assert.isAbove(steps, 12)
        assert.isFinite(steps)
      }
    })
  )

  it.scopedLive("an operation that fails leaves the lock to be taken, by one (S169)", () =>
    Effect.gen(function* () {
      for (const errno of ["EIO", "ENOENT"]) {
        let steps = Infinity
        for (let at = 0; at < steps; at++) {
          const { directory, other, real } = yield* setup
          const { enter } = alone()
          yield* deadSocket(directory, "0123456789abcdef.sock")
          fs.symlinkSync("0123456789abcdef.sock.1", path.join(directory, "a.lock.1"))
          const faulty = FaultyDisk.make(real, at, { how: "fails", errno })
          const result = yield* Effect.either(other(faulty.disk).withLock("a", Duration.zero)(enter(Effect.void)))
          if (Either.isLeft(result)) assert.strictEqual(result.left.reason, "Unavailable")
          if (faulty.log.length <= at) steps = at
          yield* other().withLock("a", Duration.zero)(enter(Effect.void))
          yield* other().withLock("a", Duration.zero)(enter(Effect.void))
        }
        assert.isAbove(steps, 12)
      }
    })
  )
})

describe("where processes cannot lock each other out (S171)", () => {
  const warnings: Array<unknown> = []
  const listening = Logger.replace(
    Logger.defaultLogger,
    Logger.make(({ message }) => void warnings.push(message))
  )
  const works = (on: Disk, directory: string) =>
    Effect.gen(function* () {
      warnings.length = 0
      const { enter, entered } = alone()
      const lock = ProcessLock.makeOn(on, directory)
      const locks = [lock, lock, ProcessLock.makeOn(on, directory)]
      yield* Effect.forEach(locks, (lock) => lock.withLock("a", long)(enter(Effect.sleep(1))), {
        concurrency: "unbounded"
      })
      assert.strictEqual(entered(), 3)
      assert.strictEqual(warnings.length, 2, "one warning each")
      assert.include(String(warnings[0]), "choose a directory on a local disk")
      const { fiber } = yield* hold(lock)
      const error = yield* Effect.flip(lock.withLock("a", Duration.millis(20))(Effect.void))
      assert.strictEqual(error.reason, "LockTimeout")
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(fs.readdirSync(directory), [])
    }).pipe(Effect.provide(listening))

  it.scopedLive("a file system without links is warned of, and this process still takes turns", () =>
    Effect.gen(function* () {
      const { directory, real } = yield* setup
      for (const errno of ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"]) {
        yield* works({ ...real, symlink: () => Effect.fail(errno) }, directory)
      }
    })
  )

  it.runIf(process.platform === "linux")("so is one that another machine may use", () =>
    Effect.gen(function* () {
      const { directory, real } = yield* setup
      for (const type of [0x6969, 0xff534d42, 0xff534d42 | 0, 0x65735546]) {
        yield* works({ ...real, fileSystem: () => Effect.succeed(type) }, directory)
      }
    }).pipe(Effect.scoped, Effect.runPromise)
  )

  it.scopedLive("a directory that may not be written to is an error before anything is done, and so is none", () =>
    Effect.gen(function* () {
      const { directory, real } = yield* setup
      const refused = (errno: string) => {
        const create = () => Effect.fail(errno)
        return ProcessLock.makeOn({ ...real, symlink: create, create, chmod: create }, directory)
      }
      for (const errno of ["EACCES", "EPERM", "EROFS"]) {
        const error = yield* Effect.flip(refused(errno).withLock("a", long)(Effect.die("not held")))
        assert.strictEqual(error.reason, "Permissions")
        assert.include(error.description, directory)
      }
      const missing = ProcessLock.makeOn(real, path.join(directory, "none"))
      assert.strictEqual(yield* reasonOf(missing.withLock("a", long)(Effect.die("not held"))), "Unavailable")
      assert.deepStrictEqual(fs.readdirSync(directory), [])
    })
  )
})

/** Abstract sockets of Linux have names that end with their process, as the named pipes of Windows do. */
describe.runIf(process.platform === "linux")("a lock that is a name of the system", () => {
  it.scopedLive("has one holder at a time, and can be waited for with a limit", () =>
    Effect.gen(function* () {
      const { directory, other, real } = yield* setup
      const address = `\0effect-credentials-${process.pid}-${crypto.randomUUID()}`
      const lock = () => ProcessLock.makeOn(real, directory, () => Effect.sync(() => ProcessLock.exclusive(address)))
      const { enter, entered } = alone()
      yield* Effect.forEach(
        Array.from({ length: 5 }, lock),
        (lock) => Effect.replicateEffect(lock.withLock("a", long)(enter(Effect.sleep(0))), 5, { discard: true }),
        { concurrency: "unbounded", discard: true }
      )
      assert.strictEqual(entered(), 25)
      const { fiber } = yield* hold(lock())
      assert.strictEqual(yield* reasonOf(lock().withLock("a", Duration.millis(30))(Effect.void)), "LockTimeout")
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(yield* reasonOf(lock().withLock("a", Duration.millis(500))(Effect.void)), "none")
      yield* other().withLock("a", Duration.zero)(Effect.void)
    })
  )
})
