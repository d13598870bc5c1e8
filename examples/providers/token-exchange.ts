/**
 * Workload identity: a token that the cluster keeps fresh in a file, traded for one of the API: `npx tsx examples/providers/token-exchange.ts`.
 *
 *     200 Hello system:serviceaccount:shop:checkout!
 */
import { FileSystem } from "@effect/platform"
import { Effect, Layer } from "effect"
import { AuthenticatedHttpClient, TokenExchange, WorkloadIdentity } from "effect-credentials"
import { authorizationServer } from "../support/authorizationServer.ts"
import { cluster } from "../support/cluster.ts"
import { greet, greetings, run } from "../support/greetings.ts"

await run(
  Effect.gen(function* () {
    const server = yield* authorizationServer({
      assertions: { issuers: { [cluster.issuer]: [cluster.publicKey] }, targets: ["https://api.example.com"] }
    })
    const url = yield* greetings(async (token) => (await server.about(token))?.accountId)
    const files = yield* FileSystem.FileSystem
    const path = yield* files.makeTempFileScoped()
    yield* files.writeFileString(path, yield* cluster.project(server.issuer))

    // No secret, no client: the file is read anew at every exchange.
    const CredentialsLive = TokenExchange.layer({
      tokenEndpoint: server.assertionEndpoint,
      subjectToken: WorkloadIdentity.file(path),
      subjectTokenType: "jwt",
      audience: "https://api.example.com"
    })
    const Api = AuthenticatedHttpClient.layer({ origins: [url] }).pipe(Layer.provide(CredentialsLive))
    yield* Effect.provide(greet(url), Api)
  })
)
