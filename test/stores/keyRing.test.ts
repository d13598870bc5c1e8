import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { execFile, spawnSync } from "node:child_process"
import { inspect } from "node:util"
import type { TokenStoreError } from "../../src/CredentialsError.ts"
import * as KeyRing from "../../src/KeyRing.ts"
import * as TokenStore from "../../src/TokenStore.ts"
import { temporary } from "../support/directories.ts"
import * as Program from "../support/program.ts"
import { complete, contract, numbered, numberOf, oddKeys, written } from "./contract.ts"

/** A key ring in memory that takes no more than Windows does, and does one thing at a time in its own time. */
const makeRing = () => {
  const entries = new Map<string, string>()
  const self = {
    entries,
    operations: 0,
    /** Which operation fails, and from which on nothing happens any more. */
    failAt: 0,
    crashAt: 0,
    longest: 0
  }
  const operation = async <A>(act: () => A): Promise<A> => {
    await Promise.resolve()
    self.operations++
    if (self.crashAt > 0 && self.operations >= self.crashAt) throw new Error("crashed with s3cret")
    if (self.operations === self.failAt) throw new Error("failed with s3cret")
    return act()
  }
  const ring: KeyRing.Ring = {
    get: (account) => operation(() => entries.get(account) ?? null),
    set: (account, text) =>
      operation(() => {
        self.longest = Math.max(self.longest, text.length * 2)
        if (text.length * 2 > 2_560 || /[\ud800-\udbff]$/.test(text)) throw new Error("refused")
        entries.set(account, text)
      }),
    remove: (account) => operation(() => entries.delete(account))
  }
  return Object.assign(self, { ring })
}

const open = (options: KeyRing.Options): Effect.Effect<TokenStore.TokenStore, TokenStoreError, Scope.Scope> =>
  Effect.flatMap(Layer.build(KeyRing.layer(options)), (context) => Effect.provide(TokenStore.TokenStore, context))

const setup = Effect.gen(function* () {
  const fake = makeRing()
  const options = { ring: fake.ring, directory: yield* temporary }
  return { fake, options, store: yield* open(options) }
})

const put = (store: TokenStore.TokenStore, key: string, n: number, size = 0) =>
  store.transaction(key, () => Effect.succeedSome(sized(n, size)))

const sized = (n: number, size: number) =>
  numbered(n, { refreshToken: Option.some(Redacted.make("\ud83d\udd11".repeat(size))) })

const stored = (store: TokenStore.TokenStore, key: string) =>
  Effect.map(store.get(key), (token) => Option.getOrNull(Option.map(token, numberOf)))

contract(
  "KeyRing.layer",
  Effect.map(temporary, (directory) => {
    const { ring } = makeRing()
    return () => KeyRing.layer({ ring, directory })
  })
)

describe("a key ring", () => {
  it.scopedLive("gets long tokens in parts that it can take, and none is left of a removed one (S183)", () =>
    Effect.gen(function* () {
      const { fake, options, store } = yield* setup
      for (const size of [0, 5_000, 560, 20_000, 1, 600, 601, 0, 3_000]) {
        yield* put(store, "me", size, size)
        assert.deepStrictEqual(
          written(Option.getOrThrow(yield* (yield* open(options)).get("me"))),
          written(sized(size, size))
        )
      }
      yield* store.transaction("other", () => Effect.succeedSome(complete))
      assert.isAtMost(fake.longest, 2_560)
      assert.isAbove(fake.longest, 2_000)
      yield* store.remove("me")
      yield* store.remove("other")
      assert.deepStrictEqual(Array.from(fake.entries.keys()), ["names"])
    })
  )

  it.scopedLive("has the old token or the new one, wherever the program is killed, and goes on from there", () =>
    Effect.gen(function* () {
      for (const [before, after] of [
        [700, 1_300],
        [1_300, 10],
        [10, 700]
      ] as const) {
        let isWhole = false
        for (let at = 1; !isWhole; at++) {
          const { fake, options, store } = yield* setup
          yield* put(store, "me", 1, before)
          fake.operations = 0
          fake.crashAt = at
          isWhole = Exit.isSuccess(yield* Effect.exit(put(store, "me", 2, after))) && fake.operations < at
          fake.crashAt = 0
          const again = yield* open(options)
          const found = yield* stored(again, "me")
          assert.oneOf(found, isWhole ? [2] : [1, 2])
          yield* put(again, "me", 3, 1_200)
          assert.strictEqual(yield* stored(again, "me"), 3)
          yield* again.remove("me")
          assert.deepStrictEqual(Array.from(fake.entries.keys()), ["names"])
        }
      }
    })
  )

  it.scopedLive("that fails once is told of as Unavailable, and says nothing of what was to be stored", () =>
    Effect.gen(function* () {
      const { fake, store } = yield* setup
      yield* put(store, "me", 1, 2_000)
      for (let at = 1; at < 30; at++) {
        fake.operations = 0
        fake.failAt = at
        const result = yield* Effect.either(put(store, "me", at + 1, 2_000))
        fake.failAt = 0
        if (result._tag === "Left") {
          assert.strictEqual(result.left.reason, "Unavailable")
          assert.notInclude(inspect(result.left, { depth: 9 }) + JSON.stringify(result.left), "s3cret")
        }
        assert.isNotNull(yield* stored(store, "me"))
      }
    })
  )

  it.scopedLive("is read whole while it is written", () =>
    Effect.gen(function* () {
      const { options, store } = yield* setup
      yield* put(store, "me", 1, 3_000)
      const other = yield* open(options)
      const writing = yield* Effect.fork(
        Effect.forEach(Array.from({ length: 10 }), (_, n) => put(store, "me", n + 2, 1_000 * (n % 4)), {
          discard: true
        })
      )
      let last = 0
      while (Option.isNone(yield* Fiber.poll(writing))) {
        const now = (yield* stored(other, "me"))!
        assert.isAtLeast(now, last)
        last = now
      }
      yield* Fiber.join(writing)
      assert.strictEqual(yield* stored(other, "me"), 11)
    })
  )

  it.scopedLive("knows any key by an account of its own (S178)", () =>
    Effect.gen(function* () {
      const { fake, store } = yield* setup
      for (const key of oddKeys) yield* put(store, key, 1)
      for (const account of fake.entries.keys()) assert.match(account, /^([0-9a-f]{32}\.token|names(\.[ab]\d)?)$/)
    })
  )

  it.scopedLive("gets aside what is no token, which is said once (S167)", () =>
    Effect.gen(function* () {
      const { fake, store } = yield* setup
      yield* put(store, "me", 1)
      const account = Array.from(fake.entries.keys()).find((account) => account.endsWith(".token"))!
      for (const poison of ["", "x", "a0 00000000\n{", "a3 00000000\n", "b999 00000000\n"]) {
        fake.entries.set(account, poison)
        assert.strictEqual((yield* Effect.flip(store.get("me"))).reason, "Corrupt")
        assert.isNull(yield* stored(store, "me"))
        yield* put(store, "me", 2)
        assert.strictEqual(yield* stored(store, "me"), 2)
      }
    })
  )

  it.scopedLive("that cannot be used makes the layer fail at once, so that another store can be chosen", () =>
    Effect.gen(function* () {
      const never = () => new Promise<never>(() => {})
      const refuse = () => Promise.reject(new Error("s3cret"))
      const table: ReadonlyArray<readonly [KeyRing.Options, RegExp]> = [
        [{ ring: { get: never, set: never, remove: never }, timeLimit: 20 }, /did not answer in time/],
        [{ ring: { get: refuse, set: refuse, remove: refuse } }, /the key ring refused/],
        [{ ring: makeRing().ring, service: " " }, /option service/],
        [{ ring: makeRing().ring, directory: "relative" }, /option directory/]
      ]
      for (const [options, says] of table) {
        const error = yield* Effect.flip(open(options))
        assert.strictEqual(`${error.operation} ${error.reason}`, "open Unavailable")
        assert.match(error.description, says)
        assert.notInclude(inspect(error, { depth: 9 }), "s3cret")
        const fallback = Layer.orElse(KeyRing.layer(options), () => TokenStore.layerMemory())
        yield* Effect.scoped(Layer.build(fallback))
      }
    })
  )

  it.scopedLive("keeps a key for encryption: the same for all who ask, also at the same time", () =>
    Effect.gen(function* () {
      const { fake, options } = yield* setup
      const keys = yield* Effect.replicateEffect(KeyRing.encryptionKey(options), 5, { concurrency: "unbounded" })
      const [key] = keys.map((key) => Redacted.value(key).join())
      for (const other of keys) assert.strictEqual(Redacted.value(other).join(), key)
      assert.strictEqual(Redacted.value(keys[0]!).length, 32)
      const files = { key: KeyRing.encryptionKey(options), directory: options.directory }
      const store = Effect.map(
        Layer.build(TokenStore.layerEncryptedFile(files)),
        (context) => context.unsafeMap.get(TokenStore.TokenStore.key) as TokenStore.TokenStore
      )
      yield* put(yield* store, "me", 1)
      assert.strictEqual(yield* stored(yield* store, "me"), 1)
      for (const broken of ["AAAA", "s3cret"]) {
        yield* Effect.promise(() => fake.ring.set("encryption-key", broken))
        const error = yield* Effect.flip(KeyRing.encryptionKey(options))
        assert.strictEqual(error.reason, "Corrupt")
        assert.strictEqual(fake.entries.get("encryption-key"), broken)
      }
    })
  )
})

const [file, args] = Program.command("test/support/processes/keyRing.ts")
const hasSession = ["dbus-run-session", "dbus-send", "gnome-keyring-daemon"].every(
  (name) => spawnSync("sh", ["-c", `command -v ${name}`]).status === 0
)

/** Runs the program with a home of its own: what it says, in the end. */
const run = (command: string, args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const home = yield* temporary
    const environment: Record<string, string | undefined> = { ...process.env, HOME: home, XDG_RUNTIME_DIR: home }
    for (const name of [
      "DBUS_SESSION_BUS_ADDRESS",
      "DISPLAY",
      "XDG_STATE_HOME",
      "XDG_DATA_HOME",
      "EFFECT_CREDENTIALS_STORE"
    ]) {
      delete environment[name]
    }
    return yield* Effect.async<string>((resume) => {
      execFile(command, [...args], { env: environment, timeout: 30_000 }, (_, out) => {
        resume(Effect.succeed(out.trim().split("\n").at(-1) ?? ""))
      })
    })
  })

const inSession = (prepare: string) =>
  run("dbus-run-session", ["--", "sh", "-c", `${prepare}; ${isThere}; exec "$@"`, "sh", file, ...args])

/** Waits until somebody has the service's name, which a daemon that has started does not say. */
const isThere = [
  "until dbus-send --session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.NameHasOwner",
  "string:org.freedesktop.secrets | grep -q true; do sleep 0.02; done"
].join(" ")

const daemon = "gnome-keyring-daemon --components=secrets"
const unlock = `printf pw | ${daemon} --unlock >/dev/null 2>&1`

describe.skipIf(process.platform !== "linux")("the key ring of a Linux machine", () => {
  it.scopedLive("is none where there is no session: that is said at once", () =>
    Effect.gen(function* () {
      assert.match(yield* run(file, args), /^Unavailable: there is no key ring here \(no Secret/)
    })
  )
})

describe.skipIf(!hasSession)("a real Secret Service", () => {
  it.scopedLive("keeps tokens, long ones too, and a key", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* inSession(unlock), '[true,true,true,["me"],[],true,32]')
    })
  )

  it.scopedLive("that is locked asks nobody: the layer says so", () =>
    Effect.gen(function* () {
      // Another daemon finds the collection that the first one made, and has no password for it.
      const restart = `${unlock}; ${daemon} --replace --daemonize >/dev/null 2>&1`
      assert.match(yield* inSession(restart), /^Unavailable: the key ring is locked: unlock it/)
    })
  )

  it.scopedLive("that has no place for secrets asks nobody for one either", () =>
    Effect.gen(function* () {
      assert.match(yield* inSession(`${daemon} --start >/dev/null 2>&1`), /^Unavailable: there is no key ring here/)
    })
  )
})
