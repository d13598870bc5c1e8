/**
 * A key in a header, to each API its own: `npx tsx examples/providers/api-key.ts`.
 *
 *     200 Hello paying customer!
 *     200 Hello free trial!
 */
import { Effect, Layer, Redacted } from "effect"
import { ApiKey, AuthenticatedHttpClient } from "effect-credentials"
import { greet, greetings, run } from "../support/greetings.ts"

await run(
  Effect.gen(function* () {
    const weather = yield* greetings((key) => (key === "k3y" ? "paying customer" : undefined))
    const maps = yield* greetings((key) => (key === "t0ken" ? "free trial" : undefined))
    const CredentialsLive = ApiKey.layer({
      byOrigin: {
        [weather]: { "X-Api-Key": Redacted.make("k3y") },
        [maps]: { Authorization: Redacted.make("Token t0ken") }
      }
    })
    const Apis = AuthenticatedHttpClient.layer({ origins: [weather, maps] }).pipe(Layer.provide(CredentialsLive))
    yield* Effect.provide(Effect.zipRight(greet(weather), greet(maps)), Apis)
  })
)
