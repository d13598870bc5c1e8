/**
 * A client known by its certificate (RFC 8705), and a token that only it can use: `npx tsx examples/mutual-tls.ts`.
 *
 *     The API answers {"hello":"world"} to us, 401 to somebody who has our token but not our key.
 */
import { Effect, Layer } from "effect"
import {
  AuthenticatedHttpClient,
  ClientAuthentication,
  ClientCredentials,
  Credentials,
  StaticToken
} from "effect-credentials"
import { certified } from "./support/certificates.ts"
import { httpClient, servers } from "./support/mutualTls.ts"
import { say } from "./support/terminal.ts"

const [us, thief] = [certified("us"), certified("thief")]
const registration = {
  client_id: "us",
  token_endpoint_auth_method: "self_signed_tls_client_auth",
  jwks: { keys: [us.jwk] },
  tls_client_certificate_bound_access_tokens: true,
  grant_types: ["client_credentials"],
  redirect_uris: [],
  response_types: []
}

const program = Effect.gen(function* () {
  const { api, ca, issuer } = yield* servers([registration], [us.cert, thief.cert])
  // One HttpClient shows the certificate to both servers.
  const Ours = ClientCredentials.layer({
    issuer,
    clientId: "us",
    authentication: ClientAuthentication.selfSignedTlsClientAuth
  }).pipe(Layer.provideMerge(httpClient(ca, us)))
  const call = Effect.gen(function* () {
    const client = yield* AuthenticatedHttpClient.AuthenticatedHttpClient
    const response = yield* client.get(`${api}/api`)
    return response.status === 200 ? yield* response.text : response.status
  })
  const Client = AuthenticatedHttpClient.layer({ origins: [api] })
  const { ours, token } = yield* Effect.gen(function* () {
    return { ours: yield* call, token: yield* Effect.flatMap(Credentials.Credentials, ({ token }) => token) }
  }).pipe(Effect.provide(Layer.provideMerge(Client, Ours)))
  const Stolen = Layer.provideMerge(StaticToken.layer({ token: token.accessToken }), httpClient(ca, thief))
  const theirs = yield* Effect.provide(call, Layer.provide(Client, Stolen))
  say(`The API answers ${ours} to us, ${theirs} to somebody who has our token but not our key.`)
})

await Effect.runPromise(Effect.scoped(program))
