/**
 * A client whose key the server knows by its certificate, as Entra ID does: `npx tsx examples/providers/client-certificate.ts`.
 *
 *     200 Hello billing!
 *     ClientCertificate: option certificate must be the certificate of this key: it is that of another one
 */
import { Effect, Layer, Redacted } from "effect"
import { AuthenticatedHttpClient, ClientCertificate } from "effect-credentials"
import { authorizationServer, machine } from "../support/authorizationServer.ts"
import { certified } from "../support/certificates.ts"
import { greet, greetings, run } from "../support/greetings.ts"

await run(
  Effect.gen(function* () {
    const [ours, another] = [certified("billing"), certified("another")]
    const server = yield* authorizationServer({
      clients: [{ ...machine("billing", "private_key_jwt"), jwks: { keys: [ours.jwk] } }]
    })
    const url = yield* greetings(async (token) => (await server.about(token))?.clientId)
    const api = AuthenticatedHttpClient.layer({ origins: [url] })
    const credentials = (certificate: string) =>
      // At Entra ID: authority and tenant instead of the issuer.
      ClientCertificate.layer({
        issuer: server.issuer,
        clientId: "billing",
        key: Redacted.make(ours.key),
        certificate,
        scope: ["api"]
      })
    yield* greet(url).pipe(Effect.provide(Layer.provide(api, credentials(ours.cert))))
    yield* greet(url).pipe(Effect.provide(Layer.provide(api, credentials(another.cert))))
  })
)
