/**
 * Writes a profile of Cortex Data Lake, asks for data with it and removes it: `npx tsx examples/vendors/cortex.ts`. The servers are stand-ins on this machine, the file is a temporary one; with
 * PAN_CREDENTIALS_DBFILE set, its profile `default` is used and kept.
 */
import { FetchHttpClient } from "@effect/platform"
import { Config, Effect, Layer, Option, Redacted } from "effect"
import { AuthenticatedHttpClient } from "effect-credentials"
import * as Cortex from "effect-credentials/Cortex"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { standIn } from "../support/standIn.ts"
import { cortex } from "../support/standIns/cortex.ts"
import { say } from "../support/terminal.ts"

const ask = (api: string, options: Cortex.Options) =>
  Effect.flatMap(AuthenticatedHttpClient.AuthenticatedHttpClient, (client) =>
    Effect.flatMap(client.get(`${api}/query/v2/jobs`), (response) => response.text)
  ).pipe(
    Effect.provide(AuthenticatedHttpClient.layer({ origins: [api] })),
    Effect.provide(Layer.provideMerge(Cortex.layer(options), FetchHttpClient.layer))
  )

const embedded = Effect.gen(function* () {
  const url = yield* standIn(cortex())
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "cortex-"))
  const profile = { profile: "demo", dbfile: path.join(folder, "credentials.json") }
  const settings = { clientId: "me", clientSecret: Redacted.make("s3cret"), refreshToken: Redacted.make("r0") }
  yield* Cortex.writeCredentials(settings, profile)
  say(`The API answers: ${yield* ask(url, { ...profile, tokenUrl: url })}`)
  const { refreshToken } = yield* Cortex.snapshot(profile)
  const isOther = Option.exists(refreshToken, (now) => Redacted.value(now) !== "r0")
  say(
    `The profile holds ${isOther ? "the refresh token that took the place of the first" : "the first refresh token"}.`
  )
  yield* Cortex.removeProfile(profile)
  fs.rmSync(folder, { recursive: true })
})

const configured = Config.option(Config.string("PAN_CREDENTIALS_DBFILE"))
await Effect.runPromise(
  Effect.scoped(
    Effect.flatMap(configured, (file) => (Option.isSome(file) ? Effect.map(ask(Cortex.dataApi, {}), say) : embedded))
  )
)
