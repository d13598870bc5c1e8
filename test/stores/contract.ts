/** The laws of every token store: one suite, run over each of them. */
import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { TokenStoreError } from "../../src/CredentialsError.ts"
import * as Token from "../../src/Token.ts"
import { TokenStore } from "../../src/TokenStore.ts"

/** A place where stores can be opened, several at a time: each sees what the others store. Nobody has stored anything there yet. */
export type Place<E> = Effect.Effect<() => Layer.Layer<TokenStore, E>, E, Scope.Scope>

/** A token that can be told from others by its number. */
export const numbered = (n: number, more: Partial<Token.Token> = {}): Token.Token =>
  Token.make({ accessToken: Redacted.make(`access-${n}`), issuedAt: DateTime.unsafeMake(n), ...more })

export const numberOf = (token: Token.Token): number => DateTime.toEpochMillis(token.issuedAt)

/** A token as it would be written down, so that two can be compared. */
export const written = (token: Token.Token): Token.TokenEncoded => Schema.encodeSync(Token.Token)(token)

/** All of a token that can be there. */
export const complete: Token.Token = numbered(7, {
  tokenType: "dpop",
  expiresAt: Option.some(DateTime.unsafeMake(3_600_000)),
  refreshToken: Option.some(Redacted.make("refresh \u00e4\ud83d\udd11")),
  idToken: Option.some(Redacted.make("a.b.c")),
  scope: ["read", "write"],
  extra: Redacted.make(
    JSON.parse(`{"__proto__":{"polluted":true},"nested":{"list":[1,null,"\\u0000"]},"constructor":1}`)
  )
})

/** Keys that file systems, URLs, databases and objects take for something else. */
export const oddKeys: ReadonlyArray<string> = [
  "",
  " ",
  ".",
  "..",
  "../../escape",
  "/etc/passwd",
  "a/b",
  "a\\b",
  "a\0b",
  "a\nb",
  "a:b",
  "a*b?",
  "%2e%2e%2f",
  "CON",
  "con",
  "Con",
  "NUL.json",
  "__proto__",
  "constructor",
  "toString",
  "\u00e4",
  "a\u0308",
  "\ud83d\udd11",
  "\ud83d",
  "\udd11",
  "x".repeat(300),
  "X".repeat(300),
  JSON.stringify({ issuer: "https://issuer.example", client: "me" })
]

/** Stores tokens with rising numbers until somebody has seen what he wanted: nobody can say when exactly a watcher begins to watch. */
const until = <A, E>(seen: Fiber.Fiber<A, E>, store: TokenStore, key: string): Effect.Effect<A, E | TokenStoreError> =>
  Effect.gen(function* () {
    for (let n = 100; Option.isNone(yield* Fiber.poll(seen)); n++) {
      yield* store.transaction(key, () => Effect.succeedSome(numbered(n)))
      yield* Effect.sleep("10 millis")
    }
    return yield* Fiber.join(seen)
  })

export const contract = <E>(name: string, place: Place<E>): void => {
  const store = Effect.flatMap(place, (open) => opened(open()))
  const opened = <E2>(layer: Layer.Layer<TokenStore, E2>) =>
    Effect.flatMap(Layer.build(layer), (context) => Effect.provide(TokenStore, context))
  const put = (store: TokenStore, key: string, token: Token.Token) =>
    store.transaction(key, () => Effect.succeedSome(token))
  const stored = (store: TokenStore, key: string) =>
    Effect.map(store.get(key), (token) => Option.getOrNull(Option.map(token, numberOf)))

  describe(`${name} is a token store`, () => {
    it.scopedLive("is empty at first, and what is not there can be removed", () =>
      Effect.gen(function* () {
        const { get, list, remove, transaction } = yield* store
        assert.isTrue(Option.isNone(yield* get("me")))
        assert.deepStrictEqual(yield* list, [])
        yield* remove("me")
        assert.isTrue(Option.isNone(yield* transaction("me", (stored) => Effect.succeed(stored))))
        assert.deepStrictEqual(yield* list, [])
      })
    )

    it.scopedLive("gives back what was stored, every part of it, also when it is opened again", () =>
      Effect.gen(function* () {
        const open = yield* place
        const first = yield* opened(open())
        const told = yield* put(first, "me", complete)
        assert.deepStrictEqual(written(Option.getOrThrow(told)), written(complete))
        assert.deepStrictEqual(written(Option.getOrThrow(yield* first.get("me"))), written(complete))
        const again = yield* opened(open())
        assert.deepStrictEqual(written(Option.getOrThrow(yield* again.get("me"))), written(complete))
        assert.deepStrictEqual(yield* again.list, ["me"])
        assert.isUndefined(({} as { readonly polluted?: boolean }).polluted)
      })
    )

    it.scopedLive("whoever holds a token cannot change what is stored (S199)", () =>
      Effect.gen(function* () {
        const it = yield* store
        const given = { ...numbered(1), scope: ["read"] }
        const token = Option.getOrThrow(yield* put(it, "me", given))
        for (const held of [given, token, Option.getOrThrow(yield* it.get("me"))] as ReadonlyArray<any>) {
          for (const change of [() => (held.accessToken = Redacted.make("evil")), () => held.scope.push("admin")]) {
            try {
              change()
            } catch {
              // What is frozen says so.
            }
          }
        }
        assert.deepStrictEqual(written(Option.getOrThrow(yield* it.get("me"))), {
          ...written(numbered(1)),
          scope: ["read"]
        })
      })
    )

    it.scopedLive("whoever gave a token may go on with what he made it of", () =>
      Effect.gen(function* () {
        const it = yield* store
        const scope = ["read"]
        yield* put(it, "me", { ...numbered(1), scope })
        scope.push("write")
        assert.deepStrictEqual(Option.getOrThrow(yield* it.get("me")).scope, ["read"])
      })
    )

    it.scopedLive("shows a transaction what the one before has stored, and replaces it", () =>
      Effect.gen(function* () {
        const it = yield* store
        const seen: Array<number | null> = []
        for (const n of [1, 2, 3]) {
          yield* it.transaction("me", (stored) => {
            seen.push(Option.getOrNull(Option.map(stored, numberOf)))
            return Effect.succeedSome(numbered(n))
          })
        }
        assert.deepStrictEqual(seen, [null, 1, 2])
        assert.strictEqual(yield* stored(it, "me"), 3)
      })
    )

    it.scopedLive("keeps what was read as it was, whatever is stored later", () =>
      Effect.gen(function* () {
        const it = yield* store
        yield* put(it, "me", complete)
        const token = Option.getOrThrow(yield* it.get("me"))
        yield* put(it, "me", numbered(8))
        yield* it.remove("me")
        assert.deepStrictEqual(written(token), written(complete))
      })
    )

    it.scopedLive("removes what it is told to, and nothing else", () =>
      Effect.gen(function* () {
        const it = yield* store
        for (const key of ["a", "b", "c"]) yield* put(it, key, numbered(1))
        yield* it.remove("a")
        assert.isTrue(Option.isNone(yield* it.transaction("b", () => Effect.succeedNone)))
        assert.deepStrictEqual(yield* it.list, ["c"])
        assert.deepStrictEqual(
          [yield* stored(it, "a"), yield* stored(it, "b"), yield* stored(it, "c")],
          [null, null, 1]
        )
        yield* put(it, "a", numbered(2))
        assert.strictEqual(yield* stored(it, "a"), 2)
      })
    )

    it.scopedLive("writes nothing when what is to be stored fails, dies, or is what was there", () =>
      Effect.gen(function* () {
        const it = yield* store
        yield* put(it, "me", numbered(1))
        assert.deepStrictEqual(
          yield* Effect.exit(it.transaction("me", () => Effect.fail("refused" as const))),
          Exit.fail("refused" as const)
        )
        assert.isTrue(Exit.isFailure(yield* Effect.exit(it.transaction("me", () => Effect.die("defect")))))
        assert.isTrue(Exit.isFailure(yield* Effect.exit(it.transaction("new", () => Effect.fail("refused" as const)))))
        assert.strictEqual(yield* stored(it, "me"), 1)
        const same = yield* it.transaction("me", (stored) => Effect.succeed(stored))
        assert.strictEqual(numberOf(Option.getOrThrow(same)), 1)
        assert.deepStrictEqual(yield* it.list, ["me"])
        yield* put(it, "me", numbered(2))
        assert.strictEqual(yield* stored(it, "me"), 2)
      })
    )

    it.scopedLive("lets one after the other write under a key, and loses nothing (S155, S172)", () =>
      Effect.gen(function* () {
        const open = yield* place
        const stores = [yield* opened(open()), yield* opened(open())]
        let inside = 0
        const increment = (it: TokenStore) =>
          it.transaction("me", (stored) =>
            Effect.gen(function* () {
              assert.strictEqual(++inside, 1)
              yield* Effect.sleep("1 millis")
              inside--
              return Option.some(
                numbered(Option.match(stored, { onNone: () => 1, onSome: (token) => numberOf(token) + 1 }))
              )
            })
          )
        yield* Effect.forEach(Array.from({ length: 12 }), (_, n) => increment(stores[n % 2]!), {
          concurrency: "unbounded",
          discard: true
        })
        assert.strictEqual(yield* stored(stores[0]!, "me"), 12)
        assert.strictEqual(yield* stored(stores[1]!, "me"), 12)
      })
    )

    it.scopedLive("lets nobody wait for another key, not even inside a transaction (S153)", () =>
      Effect.gen(function* () {
        const it = yield* store
        yield* it.transaction("a", () =>
          Effect.gen(function* () {
            yield* put(it, "b", numbered(2))
            assert.strictEqual(yield* stored(it, "a"), null)
            return Option.some(numbered(1))
          })
        )
        assert.deepStrictEqual([yield* stored(it, "a"), yield* stored(it, "b")], [1, 2])
      })
    )

    it.scopedLive("lets a removal wait for the transaction that runs", () =>
      Effect.gen(function* () {
        const it = yield* store
        const inside = yield* Deferred.make<void>()
        const goOn = yield* Deferred.make<void>()
        const writing = yield* Effect.fork(
          it.transaction("me", () =>
            Effect.zipRight(Deferred.succeed(inside, undefined), Deferred.await(goOn)).pipe(
              Effect.as(Option.some(numbered(1)))
            )
          )
        )
        yield* Deferred.await(inside)
        const removing = yield* Effect.fork(it.remove("me"))
        yield* Effect.sleep("20 millis")
        assert.isTrue(Option.isNone(yield* Fiber.poll(removing)))
        yield* Deferred.succeed(goOn, undefined)
        yield* Fiber.join(writing)
        yield* Fiber.join(removing)
        assert.strictEqual(yield* stored(it, "me"), null)
      })
    )

    it.scopedLive(
      "can be interrupted while it waits and inside; nothing is written then, and the next one has its turn",
      () =>
        Effect.gen(function* () {
          const it = yield* store
          yield* put(it, "me", numbered(1))
          const inside = yield* Deferred.make<void>()
          const holding = yield* Effect.fork(
            it.transaction("me", () => Effect.zipRight(Deferred.succeed(inside, undefined), Effect.never))
          )
          yield* Deferred.await(inside)
          const waiting = yield* Effect.fork(put(it, "me", numbered(2)))
          const next = yield* Effect.fork(put(it, "me", numbered(3)))
          yield* Effect.sleep("20 millis")
          assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(waiting)))
          assert.strictEqual(yield* stored(it, "me"), 1)
          assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(holding)))
          yield* Fiber.join(next)
          assert.strictEqual(yield* stored(it, "me"), 3)
        })
    )

    it.scopedLive("writes to the end what was decided, even if interrupted then (S151)", () =>
      Effect.gen(function* () {
        const it = yield* store
        for (let n = 1; n <= 5; n++) {
          const decided = yield* Deferred.make<void>()
          const writing = yield* Effect.fork(
            it.transaction("me", () =>
              Effect.sync(() => {
                Deferred.unsafeDone(decided, Exit.void)
                return Option.some(numbered(n))
              })
            )
          )
          yield* Deferred.await(decided)
          yield* Fiber.interrupt(writing)
          assert.strictEqual(yield* stored(it, "me"), n)
        }
      })
    )

    it.scopedLive("takes any key for what it is, and mixes up none (S178, S179)", () =>
      Effect.gen(function* () {
        const it = yield* store
        yield* Effect.forEach(oddKeys, (key, n) => put(it, key, numbered(n)), { discard: true })
        assert.deepStrictEqual([...(yield* it.list)].sort(), [...oddKeys].sort())
        for (const [n, key] of oddKeys.entries()) assert.strictEqual(yield* stored(it, key), n, JSON.stringify(key))
        yield* it.remove("CON")
        assert.strictEqual(yield* stored(it, "con"), oddKeys.indexOf("con"))
        assert.strictEqual(yield* stored(it, "hasOwnProperty"), null)
      })
    )

    it.scopedLive("tells of each token under a key, whoever stores it: once, in order, and of no other key", () =>
      Effect.gen(function* () {
        const open = yield* place
        const mine = yield* opened(open())
        const other = yield* opened(open())
        yield* put(mine, "me", numbered(1))
        const seen: Array<number> = []
        const watching = yield* mine.changes("me").pipe(
          Stream.map(numberOf),
          Stream.tap((n) => Effect.sync(() => seen.push(n))),
          Stream.takeUntil((n) => n === 1000),
          Stream.runDrain,
          Effect.fork
        )
        const first = yield* Effect.fork(Effect.repeat(Effect.sleep("1 millis"), { until: () => seen.length > 0 }))
        yield* until(first, other, "me")
        yield* put(mine, "you", numbered(500))
        yield* mine.transaction("me", (stored) => Effect.succeed(stored))
        yield* put(mine, "me", numbered(998))
        yield* mine.remove("me")
        yield* put(other, "me", numbered(999))
        yield* put(other, "me", numbered(1000))
        yield* Fiber.join(watching)
        assert.notInclude(seen, 1)
        assert.notInclude(seen, 500)
        assert.deepStrictEqual(
          seen,
          [...new Set(seen)].sort((a, b) => a - b)
        )
      })
    )
  })
}
