/**
 * A service account that signs for the user it acts for: `npx tsx examples/providers/jwt-bearer.ts`.
 *
 *     200 Hello ada@example.com!
 */
import { Effect, Layer } from "effect"
import { AuthenticatedHttpClient, JwtBearer } from "effect-credentials"
import { generateKeyPairSync } from "node:crypto"
import { authorizationServer } from "../support/authorizationServer.ts"
import { greet, greetings, run } from "../support/greetings.ts"

const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 })
const robot = "robot@project.iam.gserviceaccount.com"

await run(
  Effect.gen(function* () {
    const server = yield* authorizationServer({
      assertions: { issuers: { [robot]: [{ ...publicKey.export({ format: "jwk" }), kid: "2024" }] } }
    })
    const url = yield* greetings(async (token) => (await server.about(token))?.accountId)

    // What Google's console calls a JSON key; this is all that is read of it.
    const file = {
      client_email: robot,
      private_key_id: "2024",
      private_key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
      token_uri: server.assertionEndpoint
    }
    const options = JwtBearer.fromServiceAccountJson(file, { scope: ["api"], subject: "ada@example.com" })
    const Api = AuthenticatedHttpClient.layer({ origins: [url] }).pipe(Layer.provide(JwtBearer.layer(options)))
    yield* Effect.provide(greet(url), Api)
  })
)
