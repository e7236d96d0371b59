/** gRPC's server reflection, versions 1 and 1alpha, whose messages are the same. */
import { type DescFile, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import {
  type ServerReflectionRequest,
  type ServerReflectionResponse,
  ServerReflectionService,
} from "./generated/reflection.ts";
import { type Bound, bind, STATUS_NUMBERS } from "./rpc.ts";
import { schema } from "./schema.ts";

type Answer = NonNullable<ServerReflectionResponse["messageResponse"]>;

/** The service itself, describing `methods`. */
export function reflectionMethods(methods: readonly Bound[]): Bound[] {
  const services = new Set(methods.map(({ method }) => method.path.split("/")[1] as string));
  const names = [...services, "grpc.reflection.v1.ServerReflection"].sort();
  const bound = bind(ServerReflectionService, {
    serverReflectionInfo(call) {
      call.onRequest = (request) =>
        call.send({
          validHost: request.host,
          originalRequest: request,
          messageResponse: answer(request, names),
        });
      call.onEnd = () => call.end();
    },
  });
  const older = bound.map((one) => ({
    ...one,
    method: { ...one.method, path: one.method.path.replace(".v1.", ".v1alpha.") },
  }));
  return [...bound, ...older];
}

function answer({ messageRequest }: ServerReflectionRequest, services: readonly string[]): Answer {
  switch (messageRequest?.$case) {
    case "listServices":
      return {
        $case: "listServicesResponse",
        listServicesResponse: { service: services.map((name) => ({ name })) },
      };
    case "fileByFilename": {
      const file = schema.getFile(messageRequest.fileByFilename);
      return file === undefined ? notFound(messageRequest.fileByFilename) : files(file);
    }
    case "fileContainingSymbol": {
      const symbol = messageRequest.fileContainingSymbol;
      const parent = symbol.slice(0, symbol.lastIndexOf("."));
      const found = schema.get(symbol) ?? schema.get(parent);
      return found === undefined ? notFound(symbol) : files(found.file);
    }
    case "allExtensionNumbersOfType": {
      const baseTypeName = messageRequest.allExtensionNumbersOfType;
      return {
        $case: "allExtensionNumbersResponse",
        allExtensionNumbersResponse: { baseTypeName, extensionNumber: [] },
      };
    }
    default:
      return notFound("an extension");
  }
}

/** The file and all it imports. */
function files(file: DescFile): Answer {
  const all = new Set<DescFile>();
  const visit = (next: DescFile): void => {
    if (all.has(next)) return;
    all.add(next);
    next.dependencies.forEach(visit);
  };
  visit(file);
  const fileDescriptorProto = [...all].map(({ proto }) =>
    Buffer.from(toBinary(FileDescriptorProtoSchema, proto)),
  );
  return { $case: "fileDescriptorResponse", fileDescriptorResponse: { fileDescriptorProto } };
}

function notFound(what: string): Answer {
  return {
    $case: "errorResponse",
    errorResponse: { errorCode: STATUS_NUMBERS.NOT_FOUND, errorMessage: `not found: ${what}` },
  };
}
