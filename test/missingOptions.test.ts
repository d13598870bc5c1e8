/**
 * What a program gives that reads its settings from an environment where one of them is missing: undefined, whatever the types say. It is an `InvalidOption` that names the
 * option, when the layer is built: no defect, nothing thrown, nothing else that is meant by it.
 */
import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as AuthenticatedHttpClient from "../src/AuthenticatedHttpClient.ts"
import * as AuthorizationServer from "../src/AuthorizationServer.ts"
import * as ClientAuthentication from "../src/ClientAuthentication.ts"
import * as Credentials from "../src/Credentials.ts"
import { InvalidOption } from "../src/CredentialsError.ts"
import * as Fetch from "../src/Fetch.ts"
import * as Grant from "../src/protocol/Grant.ts"
import type * as Provider from "../src/Provider.ts"
import * as ApiKey from "../src/providers/ApiKey.ts"
import * as AuthorizationCode from "../src/providers/AuthorizationCode.ts"
import * as AzureMetadata from "../src/providers/AzureMetadata.ts"
import * as ClientCertificate from "../src/providers/ClientCertificate.ts"
import * as ClientCredentials from "../src/providers/ClientCredentials.ts"
import * as Command from "../src/providers/Command.ts"
import * as DeviceAuthorization from "../src/providers/DeviceAuthorization.ts"
import * as JwtBearer from "../src/providers/JwtBearer.ts"
import * as Password from "../src/providers/Password.ts"
import * as RefreshToken from "../src/providers/RefreshToken.ts"
import * as StaticToken from "../src/providers/StaticToken.ts"
import * as TokenExchange from "../src/providers/TokenExchange.ts"
import * as Bitfount from "../src/vendors/Bitfount.ts"
import * as Cognite from "../src/vendors/Cognite.ts"
import * as Google from "../src/vendors/Google.ts"
import * as FakeServer from "./support/FakeServer.ts"

const tokenEndpoint = "https://id.example.com/token"
const known = AuthorizationServer.make({ token_endpoint: tokenEndpoint, authorization_endpoint: `${tokenEndpoint}/a` })
const client = { tokenEndpoint, clientId: "me", clientSecret: "s3cret" }
const person = { username: "ada", password: "s3cret" }
const traded = { ...client, subjectToken: "t", subjectTokenType: "jwt" }
const certified = { clientId: "me", key: "k", thumbprint: "ab".repeat(20) }
const device = { tokenEndpoint, deviceAuthorizationEndpoint: `${tokenEndpoint}/device`, clientId: "me" }
const nothing = undefined as never

/** Everything that one of them has to be given, and what the option is called in the error, if not as in the options. */
const table: ReadonlyArray<
  readonly [
    name: string,
    make: (options: any) => Provider.Provider<any>,
    given: object,
    ...missing: ReadonlyArray<string>
  ]
> = [
  ["ClientCredentials", ClientCredentials.make, client, "tokenEndpoint", "clientId", "clientSecret"],
  ["ClientCredentials", ClientCredentials.make, { clientId: "me", clientSecret: "s3cret" }, "issuer"],
  ["RefreshToken", RefreshToken.make, { ...client, refreshToken: "r" }, "tokenEndpoint", "clientId", "refreshToken"],
  ["StaticToken", StaticToken.make, { token: "t" }, "token"],
  ["ApiKey", (headers) => ApiKey.make({ headers }), {}, "headers"],
  ["Password", Password.make, { ...client, ...person }, "tokenEndpoint", "clientId", "username", "password"],
  ["Password", Password.login, { url: tokenEndpoint, ...person }, "url", "username", "password"],
  ["JwtBearer", JwtBearer.make, { tokenEndpoint, assertion: "a" }, "tokenEndpoint", "assertion"],
  ["TokenExchange", TokenExchange.make, traded, "tokenEndpoint", "clientId", "subjectToken", "subjectTokenType"],
  ["ClientCertificate", ClientCertificate.make, { ...certified, tokenEndpoint }, "tokenEndpoint", "clientId", "key"],
  ["ClientCertificate", ClientCertificate.make, { ...certified, authority: "https://id.example.com" }, "authority"],
  ["AuthorizationCode", AuthorizationCode.make, { server: known, clientId: "me" }, "clientId"],
  ["DeviceAuthorization", DeviceAuthorization.make, device, "tokenEndpoint", "deviceAuthorizationEndpoint", "clientId"],
  ["AzureMetadata", AzureMetadata.make, { resource: "r" }, "resource"],
  ["Command", Command.make, { command: "true" }, "command"]
]

const attempts = table.flatMap(([name, make, given, ...missing]) =>
  missing.map((option) => [name, option, () => make({ ...given, [option]: nothing })] as const)
)

const built = (make: () => Provider.Provider<any>) => {
  const server = FakeServer.make(() => undefined)
  return Effect.suspend(() => Effect.scoped(Credentials.make(make()))).pipe(
    Effect.provide(Layer.merge(server.layer, NodeContext.layer)),
    Effect.exit
  )
}

describe("an option that is undefined", () => {
  const within: ReadonlyArray<readonly [name: string, option: string, make: () => Provider.Provider<any>]> = [
    ["ApiKey", "headers", () => ApiKey.make({ headers: { "x-key": nothing } })],
    ["ApiKey", "byOrigin", () => ApiKey.make({ byOrigin: { "https://api.example.com": { "x-key": nothing } } })],
    ["Command", "args", () => Command.make({ command: "true", args: [nothing] })],
    ["Command", "environment", () => Command.make({ command: "true", environment: { TOKEN: nothing } })],
    [
      "JwtBearer",
      "assertion.issuer",
      () => JwtBearer.make({ tokenEndpoint, assertion: { key: "k", issuer: nothing } })
    ],
    ["JwtBearer", "assertion.key", () => JwtBearer.make({ tokenEndpoint, assertion: { key: nothing, issuer: "i" } })],
    ...(["clientSecretBasic", "clientSecretPost", "clientSecretJwt"] as const).map(
      (method) =>
        [
          "ClientCredentials",
          "clientSecret",
          () =>
            ClientCredentials.make({
              tokenEndpoint,
              clientId: "me",
              authentication: ClientAuthentication[method](nothing)
            })
        ] as const
    ),
    [
      "ClientCredentials",
      "key",
      () =>
        ClientCredentials.make({
          tokenEndpoint,
          clientId: "me",
          authentication: ClientAuthentication.privateKeyJwt({ key: nothing })
        })
    ]
  ]

  it.effect.each([...attempts, ...within])("%s: %s", ([name, option, make]) =>
    Effect.gen(function* () {
      const exit = yield* built(make)
      assert.isTrue(Exit.isFailure(exit), "it was built")
      const error = Exit.isFailure(exit) && exit.cause._tag === "Fail" ? exit.cause.error : exit
      assert.instanceOf(error, InvalidOption, String(exit))
      assert.deepStrictEqual([(error as InvalidOption).provider, (error as InvalidOption).option], [name, option])
    })
  )

  it.effect("vendors: it is one of what they are made of", () =>
    Effect.gen(function* () {
      const key = yield* built(() => Bitfount.apiKeys({ accessKeyId: nothing, accessKey: nothing, username: "ada" }))
      const address = yield* built(() =>
        Cognite.deviceCode({ authorityUrl: nothing, clientId: "me", scopes: ["read"] })
      )
      const file = yield* Effect.exit(Effect.provide(Google.loadFile(nothing), NodeContext.layer))
      const told = [key, address, file].map((exit: Exit.Exit<unknown, unknown>) =>
        Exit.isFailure(exit) && exit.cause._tag === "Fail" ? exit.cause.error : exit
      )
      told.forEach((error) => assert.instanceOf(error, InvalidOption))
      assert.deepStrictEqual(
        told.map((error) => (error as InvalidOption).option),
        ["accessKey", "tokenEndpoint", "path"]
      )
    })
  )

  it("in a list or among others is as good as blank: it is left out", () => {
    const { params } = Grant.clientCredentials({
      scope: [nothing],
      resource: [nothing],
      parameters: { tenant: nothing }
    })
    assert.deepStrictEqual(params, [])
  })

  it.effect("origins: as for any that is none, for the client and for fetch", () =>
    Effect.gen(function* () {
      const Token = StaticToken.layer({ token: "t" })
      const options = { origins: [nothing] as const }
      const client = Layer.provide(AuthenticatedHttpClient.layer(options), [
        Token,
        FakeServer.make(() => undefined).layer
      ])
      assert.strictEqual((yield* Effect.flip(Effect.scoped(Layer.build(client)))).option, "origins[0]")
      const { close, fetch } = Fetch.makeFetch(Token, options)
      const error = yield* Effect.promise(() => fetch("https://api.example.com").catch((error: unknown) => error))
      assert.instanceOf(error, InvalidOption)
      yield* Effect.promise(close)
    })
  )

  it.effect(
    "clientSecret: a client without one is public only where that is said, or where the grant is for such clients",
    () =>
      Effect.gen(function* () {
        const server = FakeServer.make(() => ({ json: { access_token: "t", token_type: "Bearer" } }))
        const authentication = ClientAuthentication.none
        const built = Credentials.make(ClientCredentials.make({ tokenEndpoint, clientId: "me", authentication }))
        yield* Effect.scoped(Effect.flatMap(built, (credentials) => credentials.token)).pipe(
          Effect.provide(server.layer)
        )
        assert.strictEqual(server.seen[0]!.form.get("client_id"), "me")
        yield* Effect.scoped(
          Credentials.make(RefreshToken.make({ tokenEndpoint, clientId: "me", refreshToken: "r" }))
        ).pipe(Effect.provide(server.layer))
      })
  )
})
