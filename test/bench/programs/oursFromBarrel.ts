/** Ours, from the barrel, which has all of it. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { AuthenticatedHttpClient, ClientCredentials } from "effect-credentials"

const origin = process.argv[2]!

const Api = AuthenticatedHttpClient.layer({ origins: [origin] }).pipe(
  Layer.provide(
    ClientCredentials.layer({
      tokenEndpoint: `${origin}/token`,
      clientId: "me",
      clientSecret: Redacted.make("s3cret"),
      scope: ["read"]
    })
  ),
  Layer.provide(FetchHttpClient.layer)
)
const program = Effect.gen(function* () {
  const api = yield* AuthenticatedHttpClient.AuthenticatedHttpClient
  const response = yield* api.get(`${origin}/me`)
  console.log(response.status, yield* response.text)
})
void Effect.runPromise(Effect.provide(program, Api))
