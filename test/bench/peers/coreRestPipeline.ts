/** The bearer policy of @azure/core-rest-pipeline, which refuses http: requests have an https URL, and what sends them knows better. */
import {
  bearerTokenAuthenticationPolicy,
  createEmptyPipeline,
  createHttpHeaders,
  createPipelineRequest
} from "@azure/core-rest-pipeline"
import { type Peer, request } from "./Peer.ts"

interface PipelineRequest {
  readonly url: string
  readonly headers: { readonly get: (name: string) => string; readonly toJSON: () => Record<string, string> }
}

// A request that goes nowhere, with the header of whoever came last: it is read before the next one comes.
const nothing = createPipelineRequest({ url: "https://api.example.com" })
const answer = async ({ headers }: PipelineRequest) => ({ status: 200, header: headers.get("authorization") })

export const peer: Peer = {
  name: "@azure/core-rest-pipeline",
  connect: (server) => {
    const policy = bearerTokenAuthenticationPolicy({
      scopes: "https://api.example.com/.default",
      credential: {
        getToken: async () => {
          const { accessToken, expiresAt } = await request(server)
          return { token: accessToken, expiresOnTimestamp: expiresAt }
        }
      }
    })
    const send = async (request: PipelineRequest) => {
      const response = await server.fetch(request.url.replace("https:", "http:"), { headers: request.headers.toJSON() })
      const headers = createHttpHeaders(Object.fromEntries(response.headers))
      return { request, status: response.status, headers, bodyAsText: await response.text() }
    }
    const [plain, authenticated] = [createEmptyPipeline(), createEmptyPipeline()]
    authenticated.addPolicy(policy)
    const sending = (pipeline: any) => async (url: string) =>
      (
        await pipeline.sendRequest(
          { sendRequest: send },
          createPipelineRequest({ url: url.replace("http:", "https:"), allowInsecureConnection: true })
        )
      ).status
    return {
      header: async () => (await policy.sendRequest(nothing, answer)).header,
      client: { name: "its pipeline", plain: sending(plain), authenticated: sending(authenticated) }
    }
  }
}
