/** Mistakes that the type checker has to find. Nothing here runs. */
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import type * as Layer from "effect/Layer"
import * as AuthenticatedHttpClient from "../../src/AuthenticatedHttpClient.ts"
import * as Credentials from "../../src/Credentials.ts"
import type { CrossOriginRedirect, InvalidOption, RefreshError } from "../../src/CredentialsError.ts"

declare const hold: <A>(value: A) => void
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(_: Same<A, B>) => {}

const origins = ["https://api.example.com"] as const
const Named = AuthenticatedHttpClient.Tag("named")

// What a layer provides and needs follows from its tags.
const byDefault = AuthenticatedHttpClient.layer({ origins })
same<
  typeof byDefault,
  Layer.Layer<AuthenticatedHttpClient.Id<"default">, InvalidOption, Credentials.Id<"default"> | HttpClient.HttpClient>
>(true)
const named = AuthenticatedHttpClient.layer({ origins, credentials: Credentials.Tag("theirs"), tag: Named })
same<
  typeof named,
  Layer.Layer<AuthenticatedHttpClient.Id<"named">, InvalidOption, Credentials.Id<"theirs"> | HttpClient.HttpClient>
>(true)
const dropIn = AuthenticatedHttpClient.layerHttpClient({ origins })
same<
  typeof dropIn,
  Layer.Layer<HttpClient.HttpClient, InvalidOption, Credentials.Id<"default"> | HttpClient.HttpClient>
>(true)

// An authenticated client does not stand in for a plain one, nor one name for another.
declare const run: (effect: Effect.Effect<unknown, unknown>) => void
declare const both: Layer.Layer<AuthenticatedHttpClient.Id<"default">>
// @ts-expect-error the plain HttpClient is missing
run(Effect.provide(HttpClient.get("/"), both))
// @ts-expect-error the client called "named" is missing
run(Effect.provide(Named, both))
// @ts-expect-error one name is not another
hold<Context.Tag.Identifier<typeof Named>>(null as unknown as AuthenticatedHttpClient.Id<"default">)
// @ts-expect-error credentials are no client
hold<AuthenticatedHttpClient.Id<"named">>(null as unknown as Credentials.Id<"named">)

// Its error channel says what can go wrong; the client's own errors and needs stay.
declare const client: HttpClient.HttpClient.With<"theirs", "needed">
declare const credentials: Credentials.Credentials
const made = AuthenticatedHttpClient.make(client, credentials, { origins })
same<
  typeof made,
  Either.Either<HttpClient.HttpClient.With<"theirs" | RefreshError | CrossOriginRedirect, "needed">, InvalidOption>
>(true)
const request = Effect.flatMap(AuthenticatedHttpClient.AuthenticatedHttpClient, (client) => client.get("/"))
same<Effect.Effect.Error<typeof request>, HttpClientError.HttpClientError | RefreshError | CrossOriginRedirect>(true)

// Origins are required.
// @ts-expect-error no origins
AuthenticatedHttpClient.layer({})
// @ts-expect-error an empty list
AuthenticatedHttpClient.layer({ origins: [] })
