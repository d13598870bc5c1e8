/** @azure/msal-node refuses http and authorities that it does not know: it is told all about one, whose address a client of ours turns into the loopback's. */
import { ConfidentialClientApplication } from "@azure/msal-node"
import { client, type Peer } from "./Peer.ts"

const host = "login.example.com"
const authority = `https://${host}/bench`

export const peer: Peer = {
  name: "@azure/msal-node",
  notRotating: "keeps no token that lives less than 300 seconds",
  connect: ({ fetch, tokenEndpoint }) => {
    const send = async (_url: string, options?: { readonly headers?: HeadersInit; readonly body?: string }) => {
      const response = await fetch(tokenEndpoint, { method: "POST", ...options })
      return {
        status: response.status,
        headers: Object.fromEntries(response.headers),
        body: await response.json()
      }
    }
    const application = new ConfidentialClientApplication({
      auth: {
        clientId: client.id,
        clientSecret: client.secret,
        authority,
        knownAuthorities: [host],
        cloudDiscoveryMetadata: JSON.stringify({
          tenant_discovery_endpoint: `${authority}/v2.0/.well-known/openid-configuration`,
          metadata: [{ preferred_network: host, preferred_cache: host, aliases: [host] }]
        }),
        authorityMetadata: JSON.stringify({
          authorization_endpoint: `${authority}/authorize`,
          token_endpoint: `${authority}/token`,
          issuer: `${authority}/v2.0`,
          jwks_uri: `${authority}/keys`
        })
      },
      system: { networkClient: { sendGetRequestAsync: send, sendPostRequestAsync: send } }
    })
    const scopes = ["https://api.example.com/.default"]
    return {
      header: async () => `Bearer ${(await application.acquireTokenByClientCredential({ scopes })).accessToken}`
    }
  }
}
