"""What a user of the exported folder writes: a FAISS index with LlamaIndex, refreshed after changes; and LangChain's loader.

Runs in its own environment, without a network: `python faiss_index.py FOLDER STORAGE QUESTION...` prints what was found as JSON.
"""

import hashlib
import json
import re
import sys
from pathlib import Path

import faiss
from langchain_community.document_loaders import DirectoryLoader, TextLoader
from llama_index.core import SimpleDirectoryReader, StorageContext, VectorStoreIndex, load_index_from_storage
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.node_parser import SentenceSplitter
from llama_index.vector_stores.faiss import FaissMapVectorStore

SIZE = 1024


class WordVectors(BaseEmbedding):
    """A vector of words, so that no model has to be downloaded."""

    def _vector(self, text: str) -> list[float]:
        counts = [0.0] * SIZE
        for word in re.findall(r"\w{3,}", text.lower()):
            counts[int(hashlib.md5(word.encode()).hexdigest(), 16) % SIZE] += 1.0
        length = sum(c * c for c in counts) ** 0.5 or 1.0
        return [c / length for c in counts]

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._vector(text)

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._vector(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._vector(query)


def main(folder: str, storage: str, questions: list[str]) -> None:
    documents = SimpleDirectoryReader(folder, recursive=True, required_exts=[".md"], filename_as_id=True).load_data()
    settings = {"embed_model": WordVectors(), "transformations": [SentenceSplitter(chunk_size=512, chunk_overlap=40)]}
    if Path(storage).exists():
        context = StorageContext.from_defaults(vector_store=FaissMapVectorStore.from_persist_dir(storage), persist_dir=storage)
        index = load_index_from_storage(context, **settings)
        changed = [document for document in documents if index.docstore.get_document_hash(document.id_) != document.hash]
        gone = set(index.ref_doc_info) - {document.id_ for document in documents}
        for document_id in gone | {document.id_ for document in changed} & set(index.ref_doc_info):
            # by nodes: this vector store's own delete() and refresh_ref_docs() leave entries behind that no longer have a node
            index.delete_nodes(index.ref_doc_info[document_id].node_ids, delete_from_docstore=True)
            index.docstore.delete_ref_doc(document_id, raise_error=False)
        for document in changed:
            index.insert(document)
        refreshed = len(changed)
    else:
        store = FaissMapVectorStore(faiss_index=faiss.IndexIDMap2(faiss.IndexFlatL2(SIZE)))
        index = VectorStoreIndex.from_documents(documents, StorageContext.from_defaults(vector_store=store), **settings)
        refreshed, gone = len(documents), set()
    index.storage_context.persist(storage)
    found = {q: [n.metadata["file_name"] for n in index.as_retriever(similarity_top_k=3).retrieve(q)] for q in questions}
    loaded = DirectoryLoader(folder, glob="**/*.md", loader_cls=TextLoader, loader_kwargs={"encoding": "utf-8"}).load()
    print(json.dumps({"refreshed": refreshed, "gone": len(gone), "found": found, "langchain": len(loaded)}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
