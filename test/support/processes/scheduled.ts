/** A program with scheduled credentials, a request in flight and watchers, that has nothing more to do. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Credentials from "../../../src/Credentials.ts"
import * as Provider from "../../../src/Provider.ts"
import * as Token from "../../../src/Token.ts"

const provider = Provider.make({
  name: "Slow",
  acquire: (need) =>
    Effect.gen(function* () {
      if (Option.isSome(need.previous)) return yield* Effect.never
      const issuedAt = yield* DateTime.now
      return Token.make({
        accessToken: Redacted.make("t"),
        issuedAt,
        expiresAt: Option.some(DateTime.add(issuedAt, { hours: 1 }))
      })
    })
})

const program = Effect.gen(function* () {
  const credentials = yield* Credentials.Credentials
  const token = yield* credentials.token
  yield* Effect.forkDaemon(Stream.runDrain(credentials.events))
  yield* Effect.forkDaemon(credentials.renew(token))
  yield* Effect.yieldNow()
})

await Effect.runPromise(program.pipe(Effect.provide(Credentials.layerScheduled(provider))))
console.log("finished")
