/** Cortex Data Lake, against stand-ins of its servers. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as fs from "node:fs"
import * as path from "node:path"
import { inspect } from "node:util"
import { cortex } from "../../examples/support/standIns/cortex.ts"
import * as AuthenticatedHttpClient from "../../src/AuthenticatedHttpClient.ts"
import * as Credentials from "../../src/Credentials.ts"
import * as Jwt from "../../src/Jwt.ts"
import { TokenStore } from "../../src/TokenStore.ts"
import * as Cortex from "../../src/vendors/Cortex.ts"
import { scenarios } from "./scenario.ts"

const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")
/** A token that expires so many seconds from now, with what base64 has other characters for. */
const jwt = (seconds: number) =>
  `${base64url({ alg: "none" })}.${base64url({ exp: Math.floor(Date.now() / 1000) + seconds, name: "ÿ>?ÿ" })}.x`

const shown = (value: Option.Option<string | Redacted.Redacted>) =>
  Option.getOrNull(Option.map(value, (value) => (Redacted.isRedacted(value) ? Redacted.value(value) : value)))

const file = ".config/pan_cortex_data_lake/credentials.json"

scenarios("cortex", {
  standIn: cortex,
  build: ({ accessToken, ...given }, world) =>
    Effect.gen(function* () {
      const made = /^\$jwt([+-]\d+)$/.exec(accessToken ?? "")?.[1]
      const options: Cortex.Options = { ...given, accessToken: made === undefined ? accessToken : jwt(Number(made)) }
      const context = yield* Layer.build(
        Layer.provideMerge(AuthenticatedHttpClient.layer({ origins: [world.server] }), Cortex.layer(options))
      )
      const client = yield* Effect.provide(AuthenticatedHttpClient.AuthenticatedHttpClient, context)
      const credentials = yield* Effect.provide(Credentials.Credentials, context)
      const http = yield* HttpClient.HttpClient
      const token = Effect.map(credentials.token, ({ accessToken }) => Redacted.value(accessToken))
      return {
        token: () => token,
        renewed: () =>
          Effect.map(credentials.tokenValidFor("5 minutes"), ({ accessToken }) => Redacted.value(accessToken)),
        renewedAfter401: () =>
          Effect.map(Effect.flatMap(credentials.token, credentials.renew), ({ accessToken }) =>
            Redacted.value(accessToken)
          ),
        storm: (callers: number) =>
          Effect.map(
            Effect.all(
              Array.from({ length: callers }, () => token),
              { concurrency: "unbounded" }
            ),
            (all) => [...new Set(all)]
          ),
        get: () => Effect.map(client.get(`${world.server}/query`), ({ status }) => ({ status })),
        sentHeaders: () =>
          Effect.sync(() => (world.seen.at(-1)!.headers["authorization"] === undefined ? "no authorization" : "one")),
        write: ({ settings, profile }: any) => Cortex.writeCredentials(settings, { profile }),
        remove: (profile: string) => Cortex.removeProfile({ profile }),
        modes: () =>
          Effect.sync(() =>
            [path.dirname(file), file].map((name) =>
              (fs.statSync(path.join(world.home, name)).mode & 0o777).toString(8)
            )
          ),
        stored: () =>
          Effect.flatMap(TokenStore, (store) => store.list).pipe(Effect.provide(Cortex.layerStore(options))),
        forget: () => credentials.forget,
        snapshot: (settings: Cortex.Settings) =>
          Effect.map(Cortex.snapshot(settings), (snapshot) =>
            Object.fromEntries(Object.entries(snapshot).map(([name, value]) => [name, shown(value)]))
          ),
        url: Cortex.authorizationUrl,
        fetchTokens: (code: string) =>
          Effect.map(
            Cortex.fetchTokens({
              clientId: "me",
              clientSecret: "s3cret",
              code,
              redirectUri: "https://app.example.com/cb"
            }),
            ({ accessToken, refreshToken }) => ({
              accessToken: Redacted.value(accessToken),
              refreshToken: shown(refreshToken)
            })
          ).pipe(Effect.provideService(HttpClient.HttpClient, http)),
        revoke: () => credentials.revoke,
        current: () => Effect.map(credentials.current, (current) => (Option.isNone(current) ? "nothing" : "something")),
        jwt: () =>
          Effect.gen(function* () {
            const expired = jwt(-10)
            return {
              exp: Option.isSome(Jwt.expiresAt(expired)),
              expired: yield* Jwt.isExpired(expired),
              forgiven: yield* Jwt.isExpired(expired, { leeway: "1 minute" })
            }
          }),
        printed: () =>
          Effect.map(Effect.zip(credentials.token, Cortex.snapshot(options)), (all) => {
            const text = inspect([all, credentials], { depth: 10, showHidden: true }) + JSON.stringify(all)
            return /s3cret|\ba1\b|\br[01]\b/.test(text) ? text : "nothing"
          })
      }
    })
})
