/**
 * A refresh token from elsewhere, at a server where each works only once: `npx tsx examples/providers/refresh-token.ts`.
 *
 *     200 Hello ada!
 *     200 Hello ada!
 *     Each of 2 access tokens came with the next refresh token.
 */
import { Effect, Layer, Redacted } from "effect"
import { AuthenticatedHttpClient, Credentials, RefreshToken } from "effect-credentials"
import { authorizationServer, native } from "../support/authorizationServer.ts"
import { greet, greetings, run } from "../support/greetings.ts"
import { say } from "../support/terminal.ts"

await run(
  Effect.gen(function* () {
    const server = yield* authorizationServer({ clients: [native("tool", ["authorization_code", "refresh_token"])] })
    const url = yield* greetings(async (token) => (await server.about(token))?.accountId)
    const given = yield* Effect.promise(() => server.issueRefreshToken("tool", "api offline_access"))

    // To outlive this program, the next one has to be kept: RefreshToken.make(…).pipe(Provider.persisted()).
    const CredentialsLive = RefreshToken.layer({
      issuer: server.issuer,
      clientId: "tool",
      refreshToken: Redacted.make(given)
    })
    const Api = AuthenticatedHttpClient.layer({ origins: [url] }).pipe(Layer.provideMerge(CredentialsLive))
    yield* Effect.gen(function* () {
      yield* greet(url)
      const credentials = yield* Credentials.Credentials
      yield* credentials.renew(yield* credentials.token)
      yield* greet(url)
    }).pipe(Effect.provide(Api))
    say(`Each of ${server.tokenRequests()} access tokens came with the next refresh token.`)
  })
)
