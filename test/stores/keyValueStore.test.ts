import { SystemError } from "@effect/platform/Error"
import * as KeyValueStore from "@effect/platform/KeyValueStore"
import * as NodeKeyValueStore from "@effect/platform-node/NodeKeyValueStore"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { inspect } from "node:util"
import * as TokenStore from "../../src/TokenStore.ts"
import { temporary } from "../support/directories.ts"
import { contract, numbered, numberOf, oddKeys } from "./contract.ts"

contract(
  "layerKeyValueStore in memory",
  Effect.map(Layer.build(KeyValueStore.layerMemory), (context) => () => {
    return Layer.provide(TokenStore.layerKeyValueStore(), Layer.succeedContext(context))
  })
)

contract(
  "layerKeyValueStore in files",
  Effect.flatMap(temporary, (directory) =>
    Effect.map(Layer.build(NodeKeyValueStore.layerFileSystem(directory)), (context) => () => {
      return Layer.provide(TokenStore.layerKeyValueStore(), Layer.succeedContext(context))
    })
  )
)

const setup = (lockTimeout?: number) =>
  Effect.gen(function* () {
    const texts = new Map<string, string>()
    let failure: SystemError | undefined
    const self = KeyValueStore.makeStringOnly({
      get: (key) =>
        failure === undefined ? Effect.sync(() => Option.fromNullable(texts.get(key))) : Effect.fail(failure),
      set: (key, text) => (failure === undefined ? Effect.sync(() => texts.set(key, text)) : Effect.fail(failure)),
      remove: (key) => Effect.sync(() => texts.delete(key)),
      clear: Effect.sync(() => texts.clear()),
      size: Effect.sync(() => texts.size)
    })
    const open = Effect.map(
      Layer.build(
        Layer.provide(TokenStore.layerKeyValueStore({ lockTimeout }), Layer.succeed(KeyValueStore.KeyValueStore, self))
      ),
      (context) => context.unsafeMap.get(TokenStore.TokenStore.key) as TokenStore.TokenStore
    )
    return { texts, open, store: yield* open, fail: (error: SystemError | undefined) => (failure = error) }
  })

const put = (store: TokenStore.TokenStore, key: string, n: number) =>
  store.transaction(key, () => Effect.succeedSome(numbered(n)))

const keyOf = (texts: Map<string, string>) => Array.from(texts.keys()).find((key) => key.endsWith(".token"))!

describe("a token store in a key-value store", () => {
  it.scoped("uses keys that every store accepts, and leaves none of a removed token (S178, S183)", () =>
    Effect.gen(function* () {
      const { store, texts } = yield* setup()
      for (const key of oddKeys) yield* put(store, key, 1)
      for (const key of texts.keys()) assert.match(key, /^effect-credentials\.([0-9a-f]{32}\.token|names)$/)
      texts.set(keyOf(texts), "{")
      for (const key of oddKeys) yield* Effect.ignore(store.get(key))
      for (const key of oddKeys) yield* store.remove(key)
      assert.deepStrictEqual(Array.from(texts), [["effect-credentials.names", ""]])
    })
  )

  it.scoped("sets aside what is no token, says so once, and goes on (S167)", () =>
    Effect.gen(function* () {
      const { store, texts } = yield* setup()
      yield* put(store, "me", 1)
      const key = keyOf(texts)
      yield* put(store, "you", 2)
      texts.set(key, "poison")
      assert.deepStrictEqual(yield* store.list, ["you"])
      const error = yield* Effect.flip(store.get("me"))
      assert.strictEqual(error.reason, "Corrupt")
      assert.isTrue(Option.isNone(yield* store.get("me")))
      assert.strictEqual(texts.get(`${key}.corrupt`), "poison")
      yield* put(store, "me", 3)
      assert.strictEqual(numberOf(Option.getOrThrow(yield* store.get("me"))), 3)
    })
  )

  it.scoped("does not overwrite what somebody wrote behind its back", () =>
    Effect.gen(function* () {
      const { store, texts } = yield* setup()
      yield* put(store, "me", 1)
      const key = keyOf(texts)
      const theirs = texts.get(key)!.replace("access-1", "access-9")
      const error = yield* Effect.flip(
        store.transaction("me", () => Effect.sync(() => (texts.set(key, theirs), Option.some(numbered(2)))))
      )
      assert.strictEqual(error.reason, "Conflict")
      assert.strictEqual(texts.get(key), theirs)
    })
  )

  it.scopedLive("says who holds the lock too long", () =>
    Effect.gen(function* () {
      const { open, store } = yield* setup(20)
      const inside = yield* Deferred.make<void>()
      const holding = yield* Effect.fork(
        store.transaction("me", () => Effect.zipRight(Deferred.succeed(inside, undefined), Effect.never))
      )
      yield* Deferred.await(inside)
      assert.strictEqual((yield* Effect.flip(put(yield* open, "me", 2))).reason, "LockTimeout")
      yield* Fiber.interrupt(holding)
    })
  )

  it.scoped("tells why the key-value store failed, and nothing of what was to be stored", () =>
    Effect.gen(function* () {
      const { fail, store } = yield* setup()
      fail(
        new SystemError({ module: "KeyValueStore", method: "set", reason: "PermissionDenied", description: "s3cret" })
      )
      const error = yield* Effect.flip(put(store, "me", 1))
      assert.strictEqual(error.reason, "Unavailable")
      assert.include(error.message, "(PermissionDenied)")
      assert.notInclude(inspect(error, { depth: 9 }) + JSON.stringify(error), "s3cret")
    })
  )
})
