/**
 * The identity of the machine, on Google Cloud and on Azure: `npx tsx examples/providers/metadata-servers.ts`.
 *
 *     200 Hello machine at Google!
 *     200 Hello machine at Azure!
 */
import { Effect, Layer } from "effect"
import { AuthenticatedHttpClient, AzureMetadata, GoogleMetadata } from "effect-credentials"
import { greet, greetings, run } from "../support/greetings.ts"
import { standIn } from "../support/standIn.ts"

const google = standIn(({ headers, path }) =>
  path === "/computeMetadata/v1/instance/service-accounts/default/token" && headers["metadata-flavor"] === "Google"
    ? {
        headers: { "metadata-flavor": "Google" },
        json: { access_token: "g00gle", expires_in: 3599, token_type: "Bearer" }
      }
    : { status: 404 }
)
const azure = standIn(({ headers, path, query: { resource } }) =>
  path === "/metadata/identity/oauth2/token" && headers["metadata"] === "true"
    ? { json: { access_token: "azur3", expires_in: "86399", resource, token_type: "Bearer" } }
    : { status: 404 }
)

await run(
  Effect.gen(function* () {
    const known = new Map(Object.entries({ g00gle: "machine at Google", azur3: "machine at Azure" }))
    const url = yield* greetings((token) => known.get(token))
    const api = AuthenticatedHttpClient.layer({ origins: [url] })

    // On such a machine there is nothing to say about the origin.
    const AtGoogle = GoogleMetadata.layer({ origin: yield* google })
    const AtAzure = AzureMetadata.layer({ origin: yield* azure, resource: "https://management.azure.com/" })
    yield* greet(url).pipe(Effect.provide(Layer.provide(api, AtGoogle)))
    yield* greet(url).pipe(Effect.provide(Layer.provide(api, AtAzure)))
  })
)
