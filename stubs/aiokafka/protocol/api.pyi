from typing import Any, Generic, TypeVar

from aiokafka.protocol.types import Schema

class Struct:
    SCHEMA: Schema
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...
    def encode(self) -> bytes: ...

class Response(Struct):
    API_KEY: int
    API_VERSION: int
    def to_object(self) -> dict[str, Any]: ...

class RequestStruct(Struct):
    API_KEY: int
    API_VERSION: int
    RESPONSE_TYPE: type[Response]

_T = TypeVar("_T", bound=RequestStruct)

class Request(Generic[_T]):
    API_KEY: int
    def build(self, request_struct_class: type[_T]) -> _T: ...
