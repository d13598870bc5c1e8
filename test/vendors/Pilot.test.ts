/** PILOT, against a stand-in of its portal, its gateway and its realm. */
import * as HttpClient from "@effect/platform/HttpClient"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { inspect } from "node:util"
import { pilot } from "../../examples/support/standIns/pilot.ts"
import * as AuthenticatedHttpClient from "../../src/AuthenticatedHttpClient.ts"
import * as Credentials from "../../src/Credentials.ts"
import * as Pilot from "../../src/vendors/Pilot.ts"
import { scenarios, type World } from "./scenario.ts"

const providerOf = (options: any, { server }: World) =>
  options.fromConfig === true
    ? Pilot.fromConfig()
    : Effect.succeed(
        options.cli === true
          ? Pilot.cli({ realm: `${server}/realm`, apiKey: options.apiKey, prompt: () => Effect.void })
          : options.hpc !== undefined
            ? Pilot.hpc({ endPoint: server, tokenIssuer: options.hpc, ...options })
            : Pilot.make({ endPoint: server, ...options })
      )

const clientOf = (options: any, world: World) =>
  Effect.gen(function* () {
    const provider = yield* providerOf(options, world)
    const context = yield* Layer.build(
      Layer.provideMerge(AuthenticatedHttpClient.layer({ origins: [world.server] }), Credentials.layer(provider))
    )
    return {
      client: yield* Effect.provide(AuthenticatedHttpClient.AuthenticatedHttpClient, context),
      credentials: yield* Effect.provide(Credentials.Credentials, context)
    }
  })

scenarios("pilot", {
  standIn: pilot,
  build: (options, world) =>
    Effect.gen(function* () {
      const { client, credentials } = yield* clientOf(options, world)
      const http = yield* HttpClient.HttpClient
      const get = (path: string) => client.get(world.server + path)
      const sent = () => world.seen.at(-1)!.headers
      return {
        token: () =>
          Effect.map(credentials.token, ({ accessToken, refreshToken }) => ({
            accessToken: Redacted.value(accessToken),
            ...(Option.isSome(refreshToken) ? { refreshToken: Redacted.value(refreshToken.value) } : {})
          })),
        renewed: () => credentials.tokenValidFor("100 seconds"),
        get: (path: string) => Effect.map(get(path), ({ status }) => ({ status })),
        headers: (path: string) =>
          Effect.map(get(path), () => Object.keys(sent()).filter((name) => /authorization|refresh-token/.test(name))),
        two: (other: unknown) =>
          Effect.gen(function* () {
            const second = yield* clientOf(other, world)
            const headers: Array<Array<string | undefined>> = [[], []]
            for (let round = 0; round < 2; round++) {
              yield* get("/v1/projects")
              headers[0]![0] = sent()["authorization"]
              yield* second.client.get(`${world.server}/v1/projects`)
              headers[1]![0] = sent()["authorization"]
            }
            return headers
          }).pipe(Effect.provideService(HttpClient.HttpClient, http), Effect.scoped),
        result: (path: string) => Effect.flatMap(get(path), Pilot.result),
        printed: () => {
          const lines: Array<string> = []
          const logger = Logger.make((options) => void lines.push(inspect(options, { depth: 8 })))
          return Effect.gen(function* () {
            yield* get("/v1/projects")
            const token = yield* credentials.token
            const text = lines.join("") + inspect(token, { depth: 8 }) + JSON.stringify(token)
            return /s3cret|\ba1\b|\br1\b/.test(text) ? text : "nothing"
          }).pipe(
            Logger.withMinimumLogLevel(LogLevel.All),
            Effect.provide(Logger.replace(Logger.defaultLogger, logger))
          )
        }
      }
    })
})

it("whose tokens they are is in the key for stores, and no secret", () => {
  const realm = "https://id.example.com/realms/pilot"
  const hpc = { endPoint: "https://hpc.example.com", username: "ada", password: "c4nary" }
  const keys = [
    Pilot.cli({ realm, apiKey: "c4nary-1" }),
    Pilot.cli({ realm, apiKey: "c4nary-2" }),
    Pilot.hpc({ ...hpc, tokenIssuer: "host" }),
    Pilot.hpc({ ...hpc, tokenIssuer: "other" })
  ].map(({ key }) => Option.getOrThrow(key))
  expect(new Set(keys).size).toBe(4)
  expect(keys.join()).not.toContain("c4nary")
})
