/** A program that stores one token after the other under many keys, until somebody kills it. Says when each key has been written once. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Token from "../../../src/Token.ts"
import * as TokenStore from "../../../src/TokenStore.ts"

const [directory, ...keys] = process.argv.slice(2)

/** So long that one write takes several steps of the system. */
const refreshToken = Option.some(Redacted.make("r".repeat(100_000)))

const next = (store: TokenStore.TokenStore) => (key: string) =>
  store.transaction(key, (stored) => {
    const n = Option.match(stored, { onNone: () => 1, onSome: (token) => DateTime.toEpochMillis(token.issuedAt) + 1 })
    const accessToken = Redacted.make(`access-${n}`)
    return Effect.succeedSome(Token.make({ accessToken, issuedAt: DateTime.unsafeMake(n), refreshToken }))
  })

const program = Effect.gen(function* () {
  const store = yield* TokenStore.TokenStore
  yield* Effect.forEach(keys, next(store), { concurrency: "unbounded" })
  console.log("ready")
  yield* Effect.forEach(keys, (key) => Effect.forever(next(store)(key)), { concurrency: "unbounded" })
})

Effect.runPromise(program.pipe(Effect.provide(TokenStore.layerFile({ directory }))))
