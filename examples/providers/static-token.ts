/**
 * A token that is simply known: `npx tsx examples/providers/static-token.ts`.
 *
 *     200 Hello build 42!
 *     StaticToken: the token expired 2020-01-01T00:00:00.000Z and nothing renews it: set a new one
 */
import { DateTime, Effect, Layer, Redacted } from "effect"
import { AuthenticatedHttpClient, StaticToken } from "effect-credentials"
import { greet, greetings, run } from "../support/greetings.ts"

await run(
  Effect.gen(function* () {
    const url = yield* greetings((token) => (token === "t0ken" ? "build 42" : undefined))
    const api = AuthenticatedHttpClient.layer({ origins: [url] })
    const token = Redacted.make("t0ken")

    // From the environment variable TOKEN: StaticToken.layerConfig().
    yield* greet(url).pipe(Effect.provide(Layer.provide(api, StaticToken.layer({ token }))))

    const expiresAt = DateTime.unsafeMake("2020-01-01")
    yield* greet(url).pipe(Effect.provide(Layer.provide(api, StaticToken.layer({ token, expiresAt }))))
  })
)
