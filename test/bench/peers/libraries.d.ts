/** Nothing is known of what they are made of: they need not be installed. */
declare module "@azure/core-rest-pipeline"
declare module "@azure/msal-node"
declare module "@badgateway/oauth2-client"
declare module "@smithy/core"
declare module "google-auth-library"
declare module "openid-client"
