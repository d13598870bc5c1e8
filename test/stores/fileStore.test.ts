import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as fs from "node:fs"
import * as path from "node:path"
import { TokenStoreError } from "../../src/CredentialsError.ts"
import * as Disk from "../../src/internal/disk.ts"
import * as TextStore from "../../src/internal/textStore.ts"
import * as Form from "../../src/internal/form.ts"
import * as PrivateFile from "../../src/internal/privateFile.ts"
import * as ProcessLock from "../../src/internal/processLock.ts"
import * as Record from "../../src/internal/record.ts"
import * as Token from "../../src/Token.ts"
import * as TokenStore from "../../src/TokenStore.ts"
import { contents, modeOf, temporary } from "../support/directories.ts"
import * as FaultyDisk from "../support/FaultyDisk.ts"
import { numbered, numberOf, oddKeys } from "./contract.ts"

const tokens = Record.codec(Token.Token)

const setup = Effect.map(temporary, (parent) => ({ parent, directory: path.join(parent, "store") }))

const open = (options: TokenStore.FileOptions) =>
  Effect.flatMap(Layer.build(TokenStore.layerFile(options)), (context) =>
    Effect.provide(TokenStore.TokenStore, context)
  )

/** A store on a disk of the test's own. */
const openOn = (disk: Disk.Disk, directory: string) =>
  TextStore.make({
    texts: PrivateFile.make(disk, directory),
    form: Form.plain(tokens),
    lock: ProcessLock.make(directory),
    lockTimeout: Duration.seconds(5),
    error: (operation, key, failure) => new TokenStoreError({ operation, key, ...reasonAndText(failure) })
  })

const reasonAndText = ({ description, reason }: TextStore.Failure) => ({ description, reason })

const put = (store: Pick<TokenStore.TokenStore, "transaction">, key: string, n: number) =>
  store.transaction(key, () => Effect.succeedSome(numbered(n)))

const stored = (store: Pick<TokenStore.TokenStore, "get">, key: string) =>
  Effect.map(store.get(key), (token) => Option.getOrNull(Option.map(token, numberOf)))

const failure = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.either(effect), (result) => {
    if (Either.isRight(result)) throw new Error("it did not fail")
    return result.left
  })

const fileOf = (directory: string, key: string) =>
  Effect.map(TextStore.nameOf(key), (name) => path.join(directory, name))

describe("a file store", () => {
  it.scopedLive("makes nothing before something is stored, and what it makes is private (S165)", () =>
    Effect.gen(function* () {
      const { directory, parent } = yield* setup
      const store = yield* open({ directory })
      yield* store.get("me")
      yield* store.list
      yield* store.remove("me")
      assert.deepStrictEqual(fs.readdirSync(parent), [])
      yield* put(store, "me", 1)
      assert.strictEqual(modeOf(directory), 0o700)
      assert.strictEqual(modeOf(yield* fileOf(directory, "me")), 0o600)
    })
  )

  it.scopedLive("keeps one file per key, whose name says nothing and is another one on every system (S178)", () =>
    Effect.gen(function* () {
      const { directory, parent } = yield* setup
      const names = yield* Effect.forEach(oddKeys, TextStore.nameOf)
      assert.strictEqual(new Set(names.map((name) => name.toLowerCase())).size, oddKeys.length)
      for (const name of names) assert.match(name, /^[0-9a-f]{32}\.token$/)
      const store = yield* open({ directory })
      for (const key of oddKeys) yield* put(store, key, 1)
      const files = fs.readdirSync(directory).filter((name) => name.endsWith(".token"))
      assert.deepStrictEqual(files.sort(), [...names].sort())
      assert.deepStrictEqual(fs.readdirSync(parent), ["store"])
    })
  )

  it.scopedLive("writes nothing when the token is the same as before (S186)", () =>
    Effect.gen(function* () {
      const { directory } = yield* setup
      const store = yield* open({ directory })
      yield* put(store, "me", 1)
      const { ino } = fs.statSync(yield* fileOf(directory, "me"))
      yield* put(store, "me", 1)
      assert.strictEqual(fs.statSync(yield* fileOf(directory, "me")).ino, ino)
    })
  )

  it.scopedLive("has stored the token durably before anybody sees it (S148)", () =>
    Effect.gen(function* () {
      const { directory } = yield* setup
      const recording = FaultyDisk.make(yield* Disk.disk)
      const store = yield* openOn(recording.disk, directory)
      yield* put(store, "me", 1)
      recording.log.length = 0
      yield* store.transaction("me", () =>
        Effect.sync(() => {
          recording.log.push("obtained")
          return Option.some(numbered(2))
        })
      )
      recording.log.push("seen")
      const steps = recording.log.map((line) => line.replace(/ .*/, ""))
      const order = ["obtained", "create", "write", "fsync", "rename", "fsync", "seen"]
      let at = 0
      for (const step of steps) if (step === order[at]) at++
      assert.strictEqual(at, order.length, steps.join())
    })
  )

  it.scopedLive("sees what another program has changed, and keeps what that has put beside the token (S154)", () =>
    Effect.gen(function* () {
      const { directory } = yield* setup
      const store = yield* open({ directory })
      yield* put(store, "me", 1)
      const file = yield* fileOf(directory, "me")
      const record = JSON.parse(fs.readFileSync(file, "utf8"))
      fs.writeFileSync(file, JSON.stringify({ note: "mine", ...record, token: { ...record.token, issuedAt: 5 } }))
      assert.strictEqual(yield* stored(store, "me"), 5)
      yield* put(store, "me", 6)
      const after = JSON.parse(fs.readFileSync(file, "utf8"))
      assert.deepStrictEqual([after.note, after.revision, after.token.issuedAt], ["mine", record.revision + 1, 6])
    })
  )

  it.scopedLive("refuses to overwrite or to remove what somebody wrote without the lock (S172)", () =>
    Effect.gen(function* () {
      const { directory } = yield* setup
      const store = yield* open({ directory })
      const file = yield* fileOf(directory, "me")
      const theirs = Either.getOrThrow(tokens.encode({ key: "me", revision: 1, token: numbered(9), rest: {} }))
      for (const mine of [Option.some(numbered(2)), Option.none()]) {
        for (const isThere of [true, false]) {
          yield* store.remove("me")
          if (isThere) yield* put(store, "me", 1)
          const transaction = store.transaction("me", () =>
            Effect.sync(() => {
              if (Option.isNone(mine) && !isThere) return mine
              fs.mkdirSync(directory, { recursive: true, mode: 0o700 })
              fs.writeFileSync(file, theirs, { mode: 0o600 })
              return mine
            })
          )
          if (Option.isNone(mine) && !isThere) continue
          const error = yield* failure(transaction)
          assert.strictEqual(error.reason, "Conflict")
          assert.strictEqual(yield* stored(store, "me"), 9)
        }
      }
    })
  )

  it.scopedLive("waits for a busy key as long as it is told to, and can be used again afterwards (S156)", () =>
    Effect.gen(function* () {
      const { directory } = yield* setup
      const mine = yield* open({ directory, lockTimeout: "50 millis" })
      const other = yield* open({ directory, lockTimeout: "50 millis" })
      const inside = yield* Deferred.make<void>()
      const goOn = yield* Deferred.make<void>()
      const holding = yield* Effect.fork(
        mine.transaction("me", () =>
          Effect.as(
            Effect.zipRight(Deferred.succeed(inside, undefined), Deferred.await(goOn)),
            Option.some(numbered(1))
          )
        )
      )
      yield* Deferred.await(inside)
      for (const store of [mine, other]) {
        for (const [operation, effect] of [
          ["transaction", put(store, "me", 2)],
          ["remove", store.remove("me")]
        ] as const) {
          const error = yield* failure<unknown, TokenStoreError, never>(effect)
          assert.deepStrictEqual([error.operation, error.key, error.reason], [operation, "me", "LockTimeout"])
        }
        assert.strictEqual(yield* stored(store, "me"), null)
      }
      yield* Deferred.succeed(goOn, undefined)
      yield* Fiber.join(holding)
      yield* put(other, "me", 3)
      assert.strictEqual(yield* stored(mine, "me"), 3)
    })
  )
})

describe("where a file store is", () => {
  it.scopedLive("is said to be missing when the layer is built, and nothing is made (S177)", () =>
    Effect.gen(function* () {
      const error = yield* failure(open({ directory: "relative/store" }))
      assert.strictEqual(error.operation, "open")
      assert.strictEqual(
        error.message,
        'token store, open: Unavailable, the option directory must be an absolute path without ".." and control characters'
      )
      assert.isFalse(fs.existsSync("relative"))
    })
  )

  it.scopedLive("may be a place where nothing can be written: the program starts, and the operation says so", () =>
    Effect.gen(function* () {
      const { parent } = yield* setup
      fs.writeFileSync(path.join(parent, "file"), "text")
      const store = yield* open({ directory: path.join(parent, "file", "store") })
      for (const [operation, effect] of [
        ["get", store.get("me")],
        ["list", store.list],
        ["remove", store.remove("me")],
        ["transaction", put(store, "me", 1)]
      ] as const) {
        const error = yield* failure<unknown, TokenStoreError, never>(effect)
        assert.deepStrictEqual(
          [error.operation, error.key, error.reason],
          [operation, operation === "list" ? "" : "me", "Unavailable"]
        )
        assert.include(error.description, "ENOTDIR")
        assert.include(error.description, path.join(parent, "file"))
      }
    })
  )
})

describe("a file that is no token", () => {
  const good = Either.getOrThrow(tokens.encode({ key: "me", revision: 1, token: numbered(1), rest: {} }))
  const bad: ReadonlyArray<readonly [what: string, make: (file: string) => void]> = [
    ["empty", (file) => fs.writeFileSync(file, "")],
    ["cut off", (file) => fs.writeFileSync(file, good.slice(0, -20))],
    ["full of NUL", (file) => fs.writeFileSync(file, new Uint8Array(good.length))],
    ["no UTF-8", (file) => fs.writeFileSync(file, new Uint8Array([0xff, 0xfe, 0x7b]))],
    ["an array", (file) => fs.writeFileSync(file, `[${good}]`)],
    ["of another form", (file) => fs.writeFileSync(file, '{"version":"one"}')],
    ["another key's", (file) => fs.writeFileSync(file, good.replace('"me"', '"you"'))],
    ["followed by the end of a longer one", (file) => fs.writeFileSync(file, `${good}"}}`)],
    ["a directory", (file) => fs.mkdirSync(file)],
    [
      "a gigabyte",
      (file) => {
        fs.writeFileSync(file, "{")
        fs.truncateSync(file, 1e9)
      }
    ]
  ]
  for (const [what, spoil] of bad) {
    it.scopedLive(`because it is ${what}: set aside, said once, and the login goes on (S167)`, () =>
      Effect.gen(function* () {
        const { directory } = yield* setup
        const store = yield* open({ directory })
        yield* put(store, "other", 7)
        const file = yield* fileOf(directory, "me")
        for (const [n, operation] of [store.get("me"), put(store, "me", 2)].entries()) {
          fs.rmSync(file, { recursive: true, force: true })
          spoil(file)
          const error = yield* failure<unknown, TokenStoreError, never>(operation)
          assert.strictEqual(error.reason, "Corrupt")
          assert.include(error.description, `${path.basename(file)}.corrupt-${n + 1}`)
          assert.notInclude(error.message, "access-1")
          assert.strictEqual(yield* stored(store, "me"), null)
          yield* put(store, "me", 3)
          assert.strictEqual(yield* stored(store, "me"), 3)
          assert.isTrue(fs.existsSync(`${file}.corrupt-${n + 1}`))
        }
        assert.strictEqual(yield* stored(store, "other"), 7)
        assert.deepStrictEqual([...(yield* store.list)].sort(), ["me", "other"])
        yield* store.remove("me")
        assert.deepStrictEqual(
          fs
            .readdirSync(directory)
            .filter((name) => name.startsWith(path.basename(file)) && /token$|corrupt/.test(name)),
          []
        )
      })
    )
  }

  it.scopedLive("hides no other from the list", () =>
    Effect.gen(function* () {
      const { directory } = yield* setup
      const store = yield* open({ directory })
      yield* put(store, "me", 1)
      for (const [n, [, spoil]] of bad.entries()) spoil(yield* fileOf(directory, `bad ${n}`))
      fs.writeFileSync(path.join(directory, "notes.txt"), "mine")
      assert.deepStrictEqual(yield* store.list, ["me"])
      assert.strictEqual(fs.readFileSync(path.join(directory, "notes.txt"), "utf8"), "mine")
    })
  )

  it.scopedLive("because a newer version wrote it: refused and kept (S180)", () =>
    Effect.gen(function* () {
      const { directory } = yield* setup
      const store = yield* open({ directory })
      yield* put(store, "me", 1)
      const file = yield* fileOf(directory, "me")
      const newer = good.replace('"version":1', '"version":2')
      fs.writeFileSync(file, newer)
      for (const operation of [store.get("me"), put(store, "me", 2), store.get("me")]) {
        const error = yield* failure(operation)
        assert.strictEqual(error.reason, "NewerVersion")
        assert.include(error.message, "update")
      }
      assert.strictEqual(fs.readFileSync(file, "utf8"), newer)
      yield* store.remove("me")
      yield* put(store, "me", 3)
    })
  )

  it.scopedLive("is not what somebody is just mending: the file is looked at again under the lock", () =>
    Effect.gen(function* () {
      const { directory } = yield* setup
      const store = yield* open({ directory })
      yield* put(store, "me", 1)
      const file = yield* fileOf(directory, "me")
      fs.writeFileSync(file, "{")
      const inside = yield* Deferred.make<void>()
      // Somebody has the lock and writes without it being seen: the reader finds a whole file when his turn comes.
      const real = yield* ProcessLock.make(directory)
      const holding = yield* Effect.fork(
        real.withLock(
          path.basename(file),
          Duration.seconds(5)
        )(
          Effect.gen(function* () {
            yield* Deferred.succeed(inside, undefined)
            yield* Effect.sleep("30 millis")
            fs.writeFileSync(file, good)
          })
        )
      )
      yield* Deferred.await(inside)
      assert.strictEqual(yield* stored(store, "me"), 1)
      yield* Fiber.join(holding)
    })
  )
})

describe("a file store, whatever fails at whatever moment", () => {
  const faults: ReadonlyArray<FaultyDisk.Fault> = [
    { how: "fails", errno: "EIO" },
    { how: "fails", errno: "EACCES" },
    { how: "stops before" },
    { how: "stops after" }
  ]
  const operations = {
    "first token": {
      before: null,
      after: 2,
      run: (store: TextStore.TextStore<Token.Token, TokenStoreError>) => put(store, "me", 2)
    },
    "next token": {
      before: 1,
      after: 2,
      run: (store: TextStore.TextStore<Token.Token, TokenStoreError>) => put(store, "me", 2)
    },
    removal: {
      before: 1,
      after: null,
      run: (store: TextStore.TextStore<Token.Token, TokenStoreError>) => store.remove("me")
    },
    reading: { before: 1, after: 1, run: (store: TextStore.TextStore<Token.Token, TokenStoreError>) => store.get("me") }
  }
  for (const [what, { after, before, run }] of Object.entries(operations)) {
    for (const fault of faults) {
      const how = fault.how === "fails" ? fault.errno : `the power ${fault.how}`
      it.scopedLive(`reads as before or as after the ${what}: ${how} (S162, S168)`, () =>
        Effect.gen(function* () {
          const parent = yield* temporary
          const real = FaultyDisk.unsynced(yield* Disk.disk)
          let reached = true
          for (let at = 0; reached; at++) {
            const directory = path.join(parent, `${at}`)
            const sound = yield* openOn(real, directory)
            if (before !== null) yield* put(sound, "me", before)
            const faulty = FaultyDisk.make(real, at, fault)
            const broken = yield* openOn(faulty.disk, directory)
            const result = yield* Effect.either<unknown, TokenStoreError, never>(run(broken))
            reached = faulty.log.length > at
            const now = yield* stored(sound, "me")
            assert.include([before, after], now, `${how} at ${faulty.log[at]}`)
            if (Either.isRight(result)) assert.strictEqual(now, after, `${how} at ${faulty.log[at]}`)
            else assert.include(["Unavailable", "Permissions"], result.left.reason, faulty.log[at])
            assert.strictEqual(faulty.open.size, 0)
            // A lock is free again, and the next login works.
            yield* put(sound, "me", 3)
            assert.strictEqual(yield* stored(sound, "me"), 3)
            assert.isUndefined(Object.keys(contents(directory)).find((name) => name.includes("corrupt")))
          }
        })
      )
    }
  }

  it.scopedLive("loses no file that is no token, wherever setting it aside stops (S167)", () =>
    Effect.gen(function* () {
      const parent = yield* temporary
      const real = FaultyDisk.unsynced(yield* Disk.disk)
      for (const fault of faults) {
        let reached = true
        for (let at = 0; reached; at++) {
          const directory = path.join(parent, `${fault.how} ${"errno" in fault ? fault.errno : ""} ${at}`)
          const sound = yield* openOn(real, directory)
          yield* put(sound, "me", 1)
          fs.writeFileSync(yield* fileOf(directory, "me"), "spoilt")
          const faulty = FaultyDisk.make(real, at, fault)
          const broken = yield* openOn(faulty.disk, directory)
          yield* failure(broken.get("me"))
          reached = faulty.log.length > at
          assert.include(Object.values(contents(directory)), "spoilt")
        }
      }
    })
  )

  it.scopedLive("leaves no file open (S187)", () =>
    Effect.gen(function* () {
      const { directory } = yield* setup
      const real = FaultyDisk.unsynced(yield* Disk.disk)
      yield* put(yield* openOn(real, directory), "me", 1)
      const count = () => (process.platform === "linux" ? fs.readdirSync("/proc/self/fd").length : 0)
      const before = count()
      for (let at = 0; at < 200; at++) {
        const faulty = FaultyDisk.make(real, at % 30, { how: "fails", errno: "ENOSPC" })
        yield* Effect.exit(
          Effect.flatMap(Effect.scoped(openOn(faulty.disk, directory)), (store) => put(store, "me", at))
        )
        assert.strictEqual(faulty.open.size, 0)
      }
      // The process lock may keep one or two for as long as its directory is used.
      assert.isAtMost(count() - before, 4)
    })
  )
})

describe("what others store", () => {
  const watchedBy = (disk: Disk.Disk, directory: string) =>
    Effect.gen(function* () {
      const store = yield* openOn(disk, directory)
      const seen: Array<number> = []
      const fiber = yield* Effect.fork(
        Stream.runForEach(store.changes("me"), (token) => Effect.sync(() => seen.push(numberOf(token))))
      )
      return { seen, fiber }
    })
  const waitFor = (isSo: () => boolean) =>
    Effect.repeat(
      Effect.promise(() => new Promise((go) => setTimeout(go, 2))),
      { until: isSo }
    )

  it.scoped("is looked for now and then where nothing can be watched, and read only if the file is another one", () =>
    Effect.gen(function* () {
      const { directory } = yield* setup
      const real = yield* Disk.disk
      const other = yield* openOn(real, directory)
      yield* put(other, "me", 1)
      const recording = FaultyDisk.make({ ...real, changes: () => Stream.fail("ENOSPC") })
      const { fiber, seen } = yield* watchedBy(recording.disk, directory)
      yield* waitFor(() => recording.log.filter((line) => line.startsWith("close")).length > 0)
      const opened = () => recording.log.filter((line) => line.startsWith("open")).length
      const stats = () => recording.log.filter((line) => /^stat .*token$/.test(line)).length
      assert.strictEqual(opened(), 1)
      for (let n = 0; n < 3; n++) {
        const before = stats()
        yield* TestClock.adjust("5 seconds")
        yield* waitFor(() => stats() > before)
      }
      assert.strictEqual(opened(), 1)
      yield* put(other, "me", 2)
      yield* TestClock.adjust("5 seconds")
      yield* waitFor(() => seen.length > 0)
      assert.deepStrictEqual(seen, [2])
      yield* Fiber.interrupt(fiber)
    })
  )

  it.scoped("is found although the directory was not there at first, or is no good for a while", () =>
    Effect.gen(function* () {
      const { directory } = yield* setup
      const real = yield* Disk.disk
      const other = yield* openOn(real, directory)
      const recording = FaultyDisk.make(real)
      const { fiber, seen } = yield* watchedBy(recording.disk, directory)
      yield* waitFor(() => recording.log.length > 0)
      yield* put(other, "me", 1)
      yield* TestClock.adjust("5 seconds")
      yield* waitFor(() => seen.length === 1)
      fs.writeFileSync(yield* fileOf(directory, "me"), "{")
      yield* TestClock.adjust("5 seconds")
      yield* Effect.exit(put(other, "me", 2))
      yield* put(other, "me", 3)
      yield* TestClock.adjust("5 seconds")
      yield* waitFor(() => seen.includes(3))
      assert.deepStrictEqual(seen, [1, 3])
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
    })
  )
})

describe("secrets", () => {
  it.scopedLive("are in no error, and gone from the directory once removed (S183)", () =>
    Effect.gen(function* () {
      const { directory } = yield* setup
      const store = yield* open({ directory })
      const secret = "canary-5f1d9c7b3a"
      const token = numbered(1, { refreshToken: Option.some(Redacted.make(secret)) })
      yield* store.transaction("me", () => Effect.succeedSome(token))
      const file = yield* fileOf(directory, "me")
      const text = fs.readFileSync(file, "utf8")
      assert.include(text, secret)
      for (let n = 0; n < 3; n++) {
        fs.writeFileSync(file, text.slice(0, -n - 1))
        const error = yield* failure(store.get("me"))
        assert.notInclude(`${error.message}${JSON.stringify(error)}${String(error.stack)}`, secret)
      }
      fs.writeFileSync(path.join(directory, `.${path.basename(file)}.0123456789abcdef.tmp`), text)
      yield* store.remove("me")
      assert.isFalse(Object.values(contents(directory)).some((text) => text.includes(secret)))
    })
  )
})
