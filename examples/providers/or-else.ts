/**
 * Another way when the server refuses the first: `npx tsx examples/providers/or-else.ts`.
 *
 *     Log in again, please.
 *     200 Hello ada!
 */
import { Effect, Layer, Redacted } from "effect"
import { AuthenticatedHttpClient, Credentials, Provider, RefreshToken, TokenFactory } from "effect-credentials"
import { authorizationServer, native } from "../support/authorizationServer.ts"
import { greet, greetings, run } from "../support/greetings.ts"
import { say } from "../support/terminal.ts"

await run(
  Effect.gen(function* () {
    const server = yield* authorizationServer({ clients: [native("tool", ["authorization_code", "refresh_token"])] })
    const url = yield* greetings((token) => (token === "t0ken" ? "ada" : undefined))

    // What is kept from last year was revoked since; in earnest the other way is a login: DeviceAuthorization.make.
    const kept = RefreshToken.make({ issuer: server.issuer, clientId: "tool", refreshToken: Redacted.make("revoked") })
    const login = TokenFactory.make({ token: () => (say("Log in again, please."), "t0ken") })
    const provider = kept.pipe(Provider.orElse(login))
    const Api = AuthenticatedHttpClient.layer({ origins: [url] }).pipe(Layer.provide(Credentials.layer(provider)))
    yield* Effect.provide(greet(url), Api)
  })
)
