/**
 * Asks Cognite for projects as the client itself: `npx tsx examples/vendors/cognite.ts`. Without TENANT_ID, CLUSTER, CLIENT_ID and CLIENT_SECRET the servers are stand-ins on this machine.
 */
import { FetchHttpClient } from "@effect/platform"
import { Config, Effect, Layer, Option, Redacted } from "effect"
import { AuthenticatedHttpClient } from "effect-credentials"
import * as Cognite from "effect-credentials/Cognite"
import { standIn } from "../support/standIn.ts"
import { cognite } from "../support/standIns/cognite.ts"
import { say } from "../support/terminal.ts"

const settings = Config.all({
  tenant: Config.string("TENANT_ID"),
  cluster: Config.string("CLUSTER"),
  clientId: Config.string("CLIENT_ID"),
  clientSecret: Config.redacted("CLIENT_SECRET")
})

const program = Effect.gen(function* () {
  const configured = yield* Effect.option(settings)
  const url = Option.isSome(configured)
    ? `https://${configured.value.cluster}.cognitedata.com`
    : yield* standIn(cognite())
  const provider = Option.isSome(configured)
    ? Cognite.clientCredentials({ ...Cognite.entraId(configured.value), ...configured.value })
    : Cognite.clientCredentials({ tokenUrl: `${url}/token`, clientId: "app", clientSecret: Redacted.make("s3 cret") })
  const Api = AuthenticatedHttpClient.layer({ origins: [url] }).pipe(
    Layer.provide(Cognite.layer(provider)),
    Layer.provide(FetchHttpClient.layer)
  )
  const projects = Effect.flatMap(AuthenticatedHttpClient.AuthenticatedHttpClient, (client) =>
    Effect.flatMap(client.get(`${url}/api/v1/projects`), (response) => response.text)
  )
  say(`Projects: ${yield* Effect.provide(projects, Api)}`)
})

await Effect.runPromise(Effect.scoped(program))
