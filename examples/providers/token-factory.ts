/**
 * A token from a function of your own, an SDK's for one: `npx tsx examples/providers/token-factory.ts`.
 *
 *     200 Hello caller with token 1!
 *     200 Hello caller with token 1!
 *     200 Hello caller with token 1!
 *     The SDK was asked once.
 */
import { Effect, Layer } from "effect"
import { AuthenticatedHttpClient, TokenFactory } from "effect-credentials"
import { greet, greetings, run } from "../support/greetings.ts"
import { say } from "../support/terminal.ts"

let asked = 0
const sdk = { currentToken: async () => `${++asked}` }

await run(
  Effect.gen(function* () {
    const url = yield* greetings((token) => `caller with token ${token}`)
    // A bare token does not say how long it lives.
    const CredentialsLive = TokenFactory.layer({ token: () => sdk.currentToken() }, { defaultLifetime: "5 minutes" })
    const Api = AuthenticatedHttpClient.layer({ origins: [url] }).pipe(Layer.provide(CredentialsLive))
    yield* Effect.provide(Effect.replicateEffect(greet(url), 3, { concurrency: "unbounded" }), Api)
    say(`The SDK was asked ${asked === 1 ? "once" : `${asked} times`}.`)
  })
)
