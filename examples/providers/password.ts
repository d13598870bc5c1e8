/**
 * A name and a password, for servers that leave no other way: `npx tsx examples/providers/password.ts`.
 *
 *     200 Hello ada!
 *     Password: the authorization server refused: invalid_grant (try again); what was offered is expired, revoked or already used: log in again
 */
import { Effect, Layer, Redacted } from "effect"
import { AuthenticatedHttpClient, Password } from "effect-credentials"
import { greet, greetings, run } from "../support/greetings.ts"
import { standIn } from "../support/standIn.ts"

await run(
  Effect.gen(function* () {
    const legacy = yield* standIn(({ json }) =>
      json.pass === "s3cret"
        ? { json: { session: { jwt: "t0ken", seconds: 600 } } }
        : { status: 401, json: { problem: "try again" } }
    )
    const url = yield* greetings((token) => (token === "t0ken" ? "ada" : undefined))
    // Servers that speak OAuth need none of these names: Password.layer.
    const login = (password: string) =>
      Password.layerLogin({
        url: `${legacy}/login`,
        username: "ada",
        password: Redacted.make(password),
        request: { username: "name", password: "pass" },
        response: { accessToken: "session.jwt", expiresIn: "session.seconds", message: "problem" }
      })
    const api = AuthenticatedHttpClient.layer({ origins: [url] })
    yield* greet(url).pipe(Effect.provide(Layer.provide(api, login("s3cret"))))
    yield* greet(url).pipe(Effect.provide(Layer.provide(api, login("guess"))))
  })
)
