import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Encryption from "../../src/internal/encryption.ts"
import * as TextStore from "../../src/internal/textStore.ts"
import * as TokenStore from "../../src/TokenStore.ts"
import { contents, temporary } from "../support/directories.ts"
import { root } from "../tools/modules.ts"
import { numbered, numberOf } from "./contract.ts"

const keyOf = (n: number) => Redacted.make(new Uint8Array(32).fill(n))
const phrase = (text: string) => ({ passphrase: Redacted.make(text) })

const opened = <E, R>(layer: Layer.Layer<TokenStore.TokenStore, E, R>) =>
  Effect.flatMap(Layer.build(layer), (context) => Effect.provide(TokenStore.TokenStore, context))

const open = (directory: string, key: TokenStore.EncryptionKey) =>
  opened(TokenStore.layerEncryptedFile({ directory, key }))

const put = (store: TokenStore.TokenStore, key: string, n: number) =>
  store.transaction(key, () => Effect.succeedSome(numbered(n)))

const stored = (store: TokenStore.TokenStore, key: string) =>
  Effect.map(store.get(key), (token) => Option.getOrNull(Option.map(token, numberOf)))

const reasonOf = <A, E extends { readonly reason: unknown }>(effect: Effect.Effect<A, E>) =>
  Effect.map(Effect.either(effect), (result) => (Either.isLeft(result) ? result.left.reason : "none"))

const fileOf = (directory: string, key: string) =>
  Effect.map(TextStore.nameOf(key), (name) => path.join(directory, name))

const flipped = (text: string, at: number): string => {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
  const value = alphabet.indexOf(text[at]!)
  return text.slice(0, at) + (value < 0 ? "A" : alphabet[value ^ 1]) + text.slice(at + 1)
}

/** How often a passphrase is made a key of while something runs. */
const derivations = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const original = crypto.subtle.deriveKey
      const counted = { count: 0, parameters: [] as Array<any>, original }
      crypto.subtle.deriveKey = function (this: SubtleCrypto, ...args: any) {
        counted.count++
        counted.parameters.push(args[0])
        return Reflect.apply(original, crypto.subtle, args)
      } as any
      return counted
    }),
    (counted) => Effect.map(effect, (value) => ({ value, ...counted })),
    ({ original }) => Effect.sync(() => (crypto.subtle.deriveKey = original))
  )

describe("an encrypted file", () => {
  it.scopedLive("shows nothing of the token or of its key, and says how it is encrypted", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      yield* put(yield* open(directory, keyOf(1)), "canary-key", 1)
      const [file] = Object.values(contents(directory)).filter((text) => text.startsWith("ey"))
      const all = JSON.stringify(contents(directory))
      for (const canary of ["canary-key", "access-1", "bearer"]) {
        assert.notInclude(all, canary)
        assert.notInclude(all, btoa(canary).replace(/=+$/, "").slice(0, -1))
      }
      const header = Either.getOrThrow(Encoding.decodeBase64UrlString(file!.split(".")[0]!))
      assert.deepStrictEqual(JSON.parse(header), { alg: "dir", enc: "A256GCM" })
    })
  )

  it.scopedLive("cannot be read with another key, and that harms nothing (S184)", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const right = yield* open(directory, keyOf(1))
      yield* put(right, "me", 1)
      const before = contents(directory)
      for (const key of [keyOf(2), phrase("correct horse")]) {
        const wrong = yield* open(directory, key)
        for (const effect of [wrong.get("me"), put(wrong, "me", 2), wrong.list, wrong.get("me")]) {
          assert.strictEqual(yield* reasonOf<unknown, { readonly reason: unknown }>(effect), "Permissions")
        }
      }
      const plain = yield* opened(TokenStore.layerFile({ directory }))
      const error = yield* Effect.flip(plain.get("me"))
      assert.strictEqual(error.reason, "Permissions")
      assert.include(error.message, "open the store as an encrypted one")
      assert.deepStrictEqual(contents(directory), before)
      assert.strictEqual(yield* stored(right, "me"), 1)
      const wrong = yield* open(directory, keyOf(2))
      yield* wrong.remove("me")
      yield* put(wrong, "me", 3)
      assert.strictEqual(yield* reasonOf(right.get("me")), "Permissions")
    })
  )

  it.scopedLive("in which any character was changed is refused and kept (S184)", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const store = yield* open(directory, keyOf(1))
      yield* put(store, "me", 1)
      const file = yield* fileOf(directory, "me")
      const sealed = fs.readFileSync(file, "utf8")
      const seal = yield* Encryption.make(keyOf(1))
      for (let at = 0; at < sealed.length; at++) {
        const result = yield* Effect.either(seal.unseal(flipped(sealed, at)))
        assert.isTrue(Either.isLeft(result), `changed at ${at}`)
        assert.isTrue(Either.isLeft(yield* Effect.either(seal.unseal(sealed.slice(0, at)))), `cut off at ${at}`)
      }
      for (const at of [sealed.lastIndexOf(".") - 1, sealed.length - 1, sealed.indexOf("..") + 2]) {
        fs.writeFileSync(file, flipped(sealed, at))
        assert.strictEqual(yield* reasonOf(store.get("me")), "Permissions")
        assert.strictEqual(yield* reasonOf(put(store, "me", 2)), "Permissions")
        assert.strictEqual(fs.readFileSync(file, "utf8"), flipped(sealed, at))
      }
      fs.writeFileSync(file, sealed)
      assert.strictEqual(yield* stored(store, "me"), 1)
    })
  )

  it.scopedLive("in another's place is found out (S184)", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const store = yield* open(directory, keyOf(1))
      yield* put(store, "me", 1)
      yield* put(store, "you", 2)
      const [mine, yours] = [yield* fileOf(directory, "me"), yield* fileOf(directory, "you")]
      const [sealedMine, sealedYours] = [fs.readFileSync(mine, "utf8"), fs.readFileSync(yours, "utf8")]
      fs.writeFileSync(mine, sealedYours)
      fs.writeFileSync(yours, sealedMine)
      assert.deepStrictEqual(yield* store.list, [])
      for (const key of ["me", "you"]) assert.strictEqual(yield* reasonOf(store.get(key)), "Corrupt")
      assert.strictEqual(yield* stored(store, "me"), null)
      assert.include(Object.values(contents(directory)), sealedMine)
      assert.include(Object.values(contents(directory)), sealedYours)
    })
  )

  it.scopedLive("is not replaced by one in the clear: that is no good here (S167)", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      yield* put(yield* opened(TokenStore.layerFile({ directory })), "me", 1)
      const store = yield* open(directory, keyOf(1))
      assert.strictEqual(yield* reasonOf(store.get("me")), "Corrupt")
      yield* put(store, "me", 2)
      assert.strictEqual(yield* stored(store, "me"), 2)
    })
  )

  it.scopedLive.each<readonly [string, (text: string) => string]>([
    ["whole", (text) => text],
    ["cut off", (text) => text.slice(0, -20)],
    ["of a newer version", (text) => text.replace('"version":1', '"version":2')]
  ])("leaves nothing behind of one in the clear (%s): it is removed, and the error says so", ([, damaged]) =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const plain = yield* opened(TokenStore.layerFile({ directory }))
      const file = yield* fileOf(directory, "me")
      for (const use of [
        (store: TokenStore.TokenStore) => store.get("me"),
        (store: TokenStore.TokenStore) => put(store, "me", 2)
      ]) {
        yield* put(plain, "me", 1)
        fs.writeFileSync(file, damaged(fs.readFileSync(file, "utf8")))
        const store = yield* open(directory, keyOf(1))
        assert.include(fs.readFileSync(file, "utf8"), "access-1")
        const error = yield* Effect.flip(use(store))
        assert.deepStrictEqual(
          ["reason" in error && error.reason, error.message.split(", ").slice(2).join(", ")],
          ["Corrupt", "it was in the clear; it was removed, nothing is stored now: log in again"]
        )
        assert.notInclude(JSON.stringify(contents(directory)), "access-1")
        assert.strictEqual(yield* stored(store, "me"), null)
      }
    })
  )
})

describe("a passphrase", () => {
  it.scopedLive("is made a key of once, by 600,000 iterations, and opens what it closed, in any Unicode form", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const first = yield* derivations(
        Effect.gen(function* () {
          const store = yield* open(directory, phrase("caf\u00e9"))
          yield* Effect.forEach([1, 2, 3], (n) => put(store, `key ${n}`, n), { concurrency: "unbounded" })
          assert.strictEqual(yield* stored(store, "key 2"), 2)
        })
      )
      assert.strictEqual(first.count, 1)
      const [{ hash, iterations, name, salt }] = first.parameters
      assert.deepStrictEqual([name, hash, iterations], ["PBKDF2", "SHA-256", 600_000])
      assert.isAtLeast(salt.length, 16)
      const second = yield* derivations(
        Effect.gen(function* () {
          const store = yield* open(directory, phrase("cafe\u0301"))
          yield* put(store, "key 4", 4)
          for (const n of [1, 2, 3, 4]) assert.strictEqual(yield* stored(store, `key ${n}`), n)
        })
      )
      assert.strictEqual(second.count, 1)
      const elsewhere = yield* temporary
      const third = yield* derivations(
        Effect.flatMap(open(elsewhere, phrase("caf\u00e9")), (store) => put(store, "me", 1))
      )
      assert.notDeepEqual(third.parameters[0].salt, salt)
    })
  )

  it.scopedLive("that is wrong opens nothing and harms nothing (S184)", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      yield* put(yield* open(directory, phrase("right")), "me", 1)
      const before = contents(directory)
      const wrong = yield* open(directory, phrase("wrong-canary"))
      const error = yield* Effect.flip(wrong.get("me"))
      assert.deepStrictEqual([error.operation, error.key, error.reason], ["get", "me", "Permissions"])
      assert.include(error.message, "passphrase")
      assert.notInclude(error.message, "wrong-canary")
      assert.strictEqual(yield* reasonOf(put(wrong, "me", 2)), "Permissions")
      yield* put(wrong, "mine", 3)
      assert.strictEqual(yield* stored(wrong, "mine"), 3)
      for (const [name, text] of Object.entries(before)) assert.strictEqual(contents(directory)[name], text)
    })
  )

  it.scopedLive("is not worked on for as long as a file wants, nor less than it should", () =>
    Effect.gen(function* () {
      const sealOf = (header: object) =>
        `${Encoding.encodeBase64Url(JSON.stringify(header))}..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA`
      const seal = yield* Encryption.make(phrase("right"))
      const { count } = yield* derivations(
        Effect.forEach([1, 599_999, 10_000_001, 1e300, -1, "600000", null, undefined], (p2c) =>
          Effect.flip(seal.unseal(sealOf({ alg: "dir", enc: "A256GCM", p2s: "salt", p2c })))
        )
      )
      assert.strictEqual(count, 0)
    })
  )
})

describe("a key", () => {
  const openError = (key: TokenStore.EncryptionKey) =>
    Effect.gen(function* () {
      const directory = yield* temporary
      return (yield* Effect.flip(open(directory, key))).message
    })

  it.scopedLive("that cannot be one is refused before anything is read or written", () =>
    Effect.gen(function* () {
      for (const length of [0, 16, 31, 33, 64]) {
        const message = yield* openError(Redacted.make(new Uint8Array(length).fill(65)))
        assert.strictEqual(message, "token store, open: Unavailable, the key must be 32 bytes")
      }
      for (const blank of ["", " ", "\n"]) {
        assert.strictEqual(
          yield* openError(phrase(blank)),
          "token store, open: Unavailable, the passphrase must not be blank"
        )
      }
    })
  )

  it.scopedLive("may come from an Effect, whose failure is the layer's: a program can go on without", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      let asked = 0
      const ring = Effect.sync(() => (asked++, keyOf(4)))
      const store = yield* opened(TokenStore.layerEncryptedFile({ directory, key: ring }))
      yield* put(store, "me", 1)
      assert.strictEqual(yield* stored(store, "me"), 1)
      assert.strictEqual(asked, 1)
      const locked = TokenStore.layerEncryptedFile({ directory, key: Effect.fail("no ring" as const) })
      assert.strictEqual(yield* Effect.flip(opened(locked)), "no ring")
      const fallback = yield* opened(Layer.orElse(locked, () => TokenStore.layerMemory()))
      assert.strictEqual(yield* stored(fallback, "me"), null)
    })
  )

  it("costs nothing who has none: what encrypts is loaded when it is needed", () => {
    const loaded = new Set<string>()
    const packages = new Set<string>()
    const visit = (file: string): void => {
      if (loaded.has(file)) return
      loaded.add(file)
      const text = fs.readFileSync(path.join(root, "src", file), "utf8")
      for (const [, target] of text.matchAll(/^(?:import|export)\b(?! type)[^"';]*?\bfrom\s*"([^"]+)"/gm)) {
        if (target!.startsWith(".")) visit(path.posix.join(path.posix.dirname(file), target!))
        else packages.add(/^(@[^/]+\/)?[^/]+/.exec(target!)![0])
      }
    }
    visit("TokenStore.ts")
    assert.isTrue(loaded.has("internal/encryption.ts"))
    assert.isTrue(packages.has("effect"))
    assert.isFalse(packages.has("jose"))
  })
})
